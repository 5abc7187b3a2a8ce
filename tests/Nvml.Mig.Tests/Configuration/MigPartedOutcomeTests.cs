using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Tests.Applying;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>
/// Every construct that mig-parted's documentation and examples have, applied: the same instances as mig-parted creates.
/// </summary>
public class MigPartedOutcomeTests
{
    private const string Mixed = "A100-SXM4-40GB*2,H100-SXM5-80GB,A30";
    private const string Rtx = "RTX-PRO-6000-Server";

    [Theory]
    [InlineData(Mixed, "[{devices: all, mig-enabled: false}]", "off | off | off | off")]
    [InlineData(Mixed, "[{devices: all, mig-enabled: true, mig-devices: {}}]", " |  |  | ")]
    [InlineData(Mixed, "[{devices: [0, 1], mig-enabled: true, mig-devices: {1g.5gb: 7}}]", "1g.5gb*7 | 1g.5gb*7 | off | off")]
    [InlineData(
        Mixed,
        "[{devices: [0], mig-enabled: true, mig-devices: {1g.5gb: 2, 2g.10gb: 1, 3g.20gb: 1}}]",
        "1g.5gb*2,2g.10gb,3g.20gb | off | off | off")]
    [InlineData(
        Mixed,
        "[{devices: [0], mig-enabled: true, mig-devices: {1g.5gb+me: 1, 1g.5gb: 6}}]",
        "1g.5gb*6,1g.5gb+me | off | off | off")]
    [InlineData(Mixed, "[{devices: [0], mig-enabled: true, mig-devices: {1c.3g.20gb: 2}}]", "3g.20gb/1c/1c | off | off | off")]
    [InlineData(
        Mixed,
        "[{devices: [0], mig-enabled: true, mig-devices: {1c.3g.20gb: 4}}]",
        "3g.20gb/1c,3g.20gb/1c/1c/1c | off | off | off")]
    [InlineData(
        Mixed,
        "[{devices: [0], mig-enabled: true, mig-devices: {2c.3g.20gb: 1, 1c.3g.20gb: 1, 3g.20gb: 1}}]",
        "3g.20gb,3g.20gb/2c/1c | off | off | off")]
    [InlineData(Mixed, "[{devices: [2], mig-enabled: true, mig-devices: {1g.20gb: 2, 3g.40gb: 1}}]", "off | off | 1g.20gb*2,3g.40gb | off")]
    [InlineData(Mixed, "[{devices: [3], mig-enabled: true, mig-devices: {1g.6gb: 2, 2g.12gb: 1}}]", "off | off | off | 1g.6gb*2,2g.12gb")]
    [InlineData(
        Mixed,
        "[{devices: all, device-filter: '0x233010DE', mig-enabled: true, mig-devices: {7g.80gb: 1}}]",
        "off | off | 7g.80gb | off")]
    [InlineData(
        Mixed,
        "[{devices: all, device-filter: ['0x20B010DE', '0x20B710DE'], mig-enabled: true, mig-devices: {}}, {devices: [2], "
            + "mig-enabled: false}]",
        " |  | off | ")]
    [InlineData(
        Mixed,
        "[{devices: all, mig-enabled: true, mig-devices: {}}, {devices: [1], mig-enabled: true, mig-devices: {7g.40gb: 1}}]",
        " | 7g.40gb |  | ")]
    [InlineData(Rtx, "[{devices: all, mig-enabled: true, mig-devices: {1g.24gb+gfx: 2, 2g.48gb+gfx: 1}}]", "1g.24gb+gfx*2,2g.48gb+gfx")]
    [InlineData(Rtx, "[{devices: all, mig-enabled: true, mig-devices: {1g.24gb+me.all: 1, 1g.24gb-me: 3}}]", "1g.24gb+me.all,1g.24gb-me*3")]
    [InlineData(Rtx, "[{devices: all, mig-enabled: true, mig-devices: {1g.24gb+me: 1, 1g.24gb: 3}}]", "1g.24gb*3,1g.24gb+me")]
    public async Task A_file_leads_to_the_instances_that_mig_parted_creates(string machineSpec, string entries, string outcome)
    {
        using ApplyMachine machine = ApplyMachine.Start(machineSpec);
        LayoutFile file = LayoutFile.Parse($"version: v1\nmig-configs:\n  it: {entries}\n", "config.yaml");

        ResolvedLayout layout = file.GetLayout("it").Resolve([.. machine.Session.Devices.Select(GpuIdentity.From)]);
        ApplyResult result = await LayoutApplier.ApplyAsync(
            [.. layout.Gpus.Select(g => new GpuTarget(machine.Session.Devices[g.Gpu.Index], g.Layout, g.IsMigEnabled))], machine.Options);

        result.IsSuccess.Should().BeTrue(string.Join(" ", result.Gpus.Select(g => g.Message)));
        string.Join(" | ", machine.Session.Devices.Select(Describe)).Should().Be(outcome);
    }

    [Theory]
    [InlineData("RTX-PRO-6000-Server", "4g.95gb")] // an early GB200's
    [InlineData("H100-NVL-94GB", "3g.48gb")] // a GH200's
    [InlineData("GH200-96GB", "4g.47gb")] // an H100 NVL's
    [InlineData("H200-SXM", "3g.72gb")] // a GH200 144G's
    public async Task A_size_of_another_gpu_is_refused(string model, string profile)
    {
        using ApplyMachine machine = ApplyMachine.Start(model);
        ResolvedLayout layout = LayoutFile.Parse(
            $"version: v1\nmig-configs:\n  it: [{{devices: all, mig-enabled: true, mig-devices: {{{profile}: 1}}}}]\n", "config.yaml")
            .GetLayout().Resolve([GpuIdentity.From(machine.Gpu)]);

        ApplyResult result = await LayoutApplier.ApplyAsync([new GpuTarget(machine.Gpu, layout.Gpus[0].Layout)], machine.Options);

        result.Gpus[0].Message.Should()
            .StartWith($"The GPU has no GPU instance profile '{profile}'. It has: ").And.EndWith("Nothing was changed.");
        machine.Gpu.GetMigMode().Current.Should().BeFalse();
    }

    /// <summary>The instances without places, counted as mig-parted counts.</summary>
    private static string Describe(GpuDevice gpu) => !gpu.GetMigMode().Current ? "off" : string.Join(',', LayoutSpec
        .For(gpu.ReadSnapshot()).Items
        .Select(item => item with { Start = null, ComputeInstances = item.ComputeInstances?.Select(c => c with { Start = null }).ToList() })
        .GroupBy(item => item.ToString(), StringComparer.Ordinal)
        .OrderBy(same => same.Key, StringComparer.Ordinal)
        .Select(same => same.Count() == 1 ? same.Key : $"{same.Key}*{same.Count()}"));
}
