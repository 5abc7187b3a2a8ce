namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>
/// The usual names of a file in mig-parted's format, by labels, on eight H100: what mig-manager makes of them, and what comes of them here.
/// </summary>
[Collection(KubeTests.Name)]
public class MigPartedLayoutTests(KubeCluster cluster)
{
    private const string Layouts = """
        version: v1
        mig-configs:
          all-disabled:
          - {devices: all, mig-enabled: false, mig-devices: {}}
          all-enabled:
          - {devices: all, mig-enabled: true, mig-devices: {}}
          all-1g.10gb:
          - {devices: all, mig-enabled: true, mig-devices: {"1g.10gb": 7}}
          all-1g.10gb.me:
          - {devices: all, mig-enabled: true, mig-devices: {"1g.10gb+me": 1}}
          all-1g.20gb:
          - {devices: all, mig-enabled: true, mig-devices: {"1g.20gb": 4}}
          all-2g.20gb:
          - {devices: all, mig-enabled: true, mig-devices: {"2g.20gb": 3}}
          all-3g.40gb:
          - {devices: all, mig-enabled: true, mig-devices: {"3g.40gb": 2}}
          all-4g.40gb:
          - {devices: all, mig-enabled: true, mig-devices: {"4g.40gb": 1}}
          all-7g.80gb:
          - {devices: all, mig-enabled: true, mig-devices: {"7g.80gb": 1}}
          all-balanced:
          - device-filter: ["0x20B010DE", "0x20B110DE"]
            devices: all
            mig-enabled: true
            mig-devices: {"1g.5gb": 2, "2g.10gb": 1, "3g.20gb": 1}
          - device-filter: ["0x233010DE", "0x233110DE"]
            devices: all
            mig-enabled: true
            mig-devices: {"1g.10gb": 2, "2g.20gb": 1, "3g.40gb": 1}
          half:
          - {devices: [0, 1, 2, 3], mig-enabled: false, mig-devices: {}}
          - {devices: [4, 5, 6, 7], mig-enabled: true, mig-devices: {"2g.20gb": 3}}
          some:
          - {devices: [0], mig-enabled: true, mig-devices: {"7g.80gb": 1}}
          all-1g.5gb:
          - {devices: all, mig-enabled: true, mig-devices: {"1g.5gb": 7}}
          a100-only:
          - {device-filter: "0x20B010DE", devices: all, mig-enabled: true, mig-devices: {"1g.5gb": 7}}
          too-much:
          - {devices: all, mig-enabled: true, mig-devices: {"3g.40gb": 3}}

        """;

    /// <summary>
    /// The layout, mig-manager's state, ours, and what both end with on GPU 0 and on GPU 7 (null: as it was), or what we say of a failure.
    /// </summary>
    private static readonly (string Layout, string Theirs, string Ours, string? First, string? Last)[] Rules =
    [
        ("all-enabled", "success", "success", "", ""),
        ("all-1g.10gb", "success", "success", "1g.10gb*7", "1g.10gb*7"),
        ("all-1g.10gb.me", "success", "success", "1g.10gb+me*1", "1g.10gb+me*1"),
        ("all-1g.20gb", "success", "success", "1g.20gb*4", "1g.20gb*4"),
        ("all-2g.20gb", "success", "success", "2g.20gb*3", "2g.20gb*3"),
        ("all-3g.40gb", "success", "success", "3g.40gb*2", "3g.40gb*2"),
        ("all-4g.40gb", "success", "success", "4g.40gb*1", "4g.40gb*1"),
        ("all-7g.80gb", "success", "success", "7g.80gb*1", "7g.80gb*1"),
        ("all-balanced", "success", "success", "1g.10gb*2,2g.20gb*1,3g.40gb*1", "1g.10gb*2,2g.20gb*1,3g.40gb*1"),
        ("half", "success", "success", "disabled", "2g.20gb*3"),
        ("some", "success", "success", "7g.80gb*1", null), // GPU 7 has no entry.
        ("all-1g.5gb", "success", "failed", "1g.5gb", null), // mig-parted#18: success, and the GPUs are left without instances.
        ("a100-only", "success", "failed", "a100-only", null), // No entry is for any of the GPUs: nothing is done.
        ("too-much", "failed", "failed", "3g.40gb", null), // It is found out there when the GPUs are cleared.
        ("all-disabled", "success", "success", "disabled", "disabled"),
        ("missing", "failed", "failed", "missing", null),
    ];

    [KubeFact]
    public async Task Labels_make_what_mig_manager_makes()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*8", hasMig: false);
        string file = node.File("config.yaml");
        await File.WriteAllTextAsync(file, Layouts);
        await node.StartAgentAsync(configure: o => o.LayoutFile = file);
        (string, string) expected = ("disabled", "disabled");
        List<string> differ = [];
        foreach ((string layout, string theirs, string ours, string? first, string? last) in Rules)
        {
            await node.LabelAsync(KubeNode.Layout, layout);

            if (ours == "failed")
            {
                await node.WaitForReasonAsync(ours, first!);
            }
            else
            {
                expected = (first ?? expected.Item1, last ?? expected.Item2);
                await node.WaitAsync(ours, _ => (node.Layouts(0), node.Layouts(7)) == expected);
            }

            (node.Layouts(0), node.Layouts(7)).Should().Be(expected, layout);
            if (theirs != ours)
                differ.Add(layout);
        }

        differ.Should().Equal("all-1g.5gb", "a100-only");
    }

    [KubeFact]
    public async Task Without_a_file_the_usual_names_mean_the_same()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*8", hasMig: false);
        await node.StartAgentAsync();
        foreach ((string layout, _, _, string? first, string? last) in
            Rules.Where(r => r.Layout.StartsWith("all-", StringComparison.Ordinal) && r.Ours == "success"))
        {
            await node.LabelAsync(KubeNode.Layout, layout);

            await node.WaitAsync("success", _ => (node.Layouts(0), node.Layouts(7)) == (first, last));
        }
    }
}
