using System.Globalization;
using Nvml.Mig.Kubernetes;
using Nvml.Mig.Kubernetes.Api;
using Nvml.Mig.Kubernetes.Gpus;
using Nvml.Mig.Kubernetes.Nodes;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>Decisions about a node before anything is done, without an API server.</summary>
public class DecisionTests
{
    [Fact]
    public void The_annotation_counts_more_than_the_label()
    {
        WantedLayout.Of(Node(1, [(KubeNode.Layout, "all-disabled")])).Should().Be(new WantedLayout("all-disabled", IsSpec: false));
        WantedLayout.Of(Node(1, [(KubeNode.Layout, "all-disabled")], [(KubeNode.Spec, "3g.40gb")]))
            .Should().Be(new WantedLayout("3g.40gb", IsSpec: true));
        WantedLayout.Of(Node(1, [(KubeNode.Layout, "")])).Should().BeNull();
        WantedLayout.Of(Node(1)).Should().BeNull();
    }

    [Fact]
    public async Task An_old_version_of_the_node_is_not_believed()
    {
        using KnownNode known = new();
        known.SetTo(Node(7, [(KubeNode.Layout, "new")]));

        known.See(Node(5, [(KubeNode.Layout, "old")]));

        known.Node!.Metadata.Label(KubeNode.Layout).Should().Be("new");
        (await known.WaitAsync(TimeSpan.Zero, default)).Should().BeTrue();
    }

    [Fact]
    public async Task Only_what_is_said_to_it_wakes_the_agent()
    {
        using KnownNode known = new();
        known.SetTo(Node(1, [(KubeNode.Layout, "a")]));
        (KubeObject? node, CancellationTokenSource pass) = known.Begin(default);
        node!.Metadata.ResourceVersion.Should().Be("1");

        known.See(Node(2, [(KubeNode.Layout, "a"), ("kubernetes.io/hostname", "n")]));
        known.See(Node(3, [(KubeNode.Layout, "a"), (KubeNode.State, "pending")]), isOwn: true);
        (await known.WaitAsync(TimeSpan.Zero, default)).Should().BeFalse();
        pass.IsCancellationRequested.Should().BeFalse();

        known.See(Node(4, [(KubeNode.Layout, "b"), (KubeNode.State, "pending")]));
        (await known.WaitAsync(TimeSpan.Zero, default)).Should().BeTrue();
        pass.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(10)).Should().BeTrue("it is about another layout");
        known.End(pass);
    }

    [Fact]
    public void A_patch_has_what_differs_and_the_version()
    {
        KubeObject node = Node(9, [(KubeNode.State, "pending"), (KubeNode.Plugin, KubeNode.Paused)], [(KubeNode.Reason, "why")]);
        NodeEdit edit = new NodeEdit().Label(KubeNode.State, "pending").Label(KubeNode.Plugin, "true").Annotate(KubeNode.Reason, null);

        NodePatchMetadata patch = edit.ToPatch(node)!.Metadata;

        patch.ResourceVersion.Should().Be("9");
        patch.Labels.Should().Equal(new Dictionary<string, string?>(StringComparer.Ordinal) { [KubeNode.Plugin] = "true" });
        patch.Annotations.Should().Equal(new Dictionary<string, string?>(StringComparer.Ordinal) { [KubeNode.Reason] = null });
        new NodeEdit().Label(KubeNode.State, "pending").Annotate("absent", null).ToPatch(node).Should().BeNull();
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", "all-balanced", "3g.20gb,2g.10gb,1g.5gb*2")]
    [InlineData("A30", "all-balanced", "2g.12gb,1g.6gb*2")]
    [InlineData("H100-SXM5-80GB", "all-1g.10gb", "1g.10gb*7")]
    [InlineData("H100-SXM5-80GB", "all-1g.10gb.me", "1g.10gb+me")]
    [InlineData("RTX-PRO-6000-Server", "all-balanced", "2g.48gb,1g.24gb*2")]
    public void Without_a_file_there_are_the_usual_layouts(string gpu, string name, string layout)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(gpu);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);

        MachineTargets found = new LayoutMenu(session, null).Resolve(new WantedLayout(name, IsSpec: false));

        found.Targets.Should().ContainSingle().Which.Layout!.ToString().Should().Be(layout);
    }

    [Fact]
    public void One_unfit_gpu_makes_the_node_failed()
    {
        GpuVerdict well = new(0, "success", ""), waits = new(1, "pending", "It is in use."), lost = new(2, "failed", "It is lost.");

        new MachineVerdict([well], []).State.Should().Be("success");
        new MachineVerdict([well, waits], []).State.Should().Be("pending");
        MachineVerdict all = new([well, waits, lost, waits with { Gpu = 3 }], ["A note."]);
        all.State.Should().Be("failed");
        all.Reason.Should().Be("GPU 1, 3: It is in use. GPU 2: It is lost. A note.");
    }

    [Fact]
    public async Task What_waits_and_what_fails_are_told_apart()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB*2");
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        foreach (GpuDevice gpu in session.Devices)
            gpu.EnableMig();
        GpuInstance instance = session.Devices[0].CreateGpuInstance(session.Devices[0].GetGpuInstanceProfile("7g.40gb"));
        using IDisposable program = simulator.StartProcess(instance.CreateComputeInstance().GetMigDevice(), 42, "train");
        string journal = Path.Combine(Path.GetTempPath(), $"nvmig-{Guid.NewGuid():N}"); // A look makes no folder.
        MachineLayouts machine = new(
            new LayoutMenu(session, null), new KubernetesOptions { JournalFolder = journal }, TimeProvider.System);

        MachineVerdict look = await machine.LookAsync(new WantedLayout("3g.20gb*2", IsSpec: true), default);
        MachineVerdict none = await machine.LookAsync(new WantedLayout("3g.20gb*3", IsSpec: true), default);
        MachineVerdict odd = await machine.LookAsync(new WantedLayout("+1g.5gb", IsSpec: true), default);

        look.Gpus.Select(g => (g.State, g.Way is not null)).Should().Equal(("pending", false), ("pending", true));
        look.Reason.Should().StartWith("GPU 0: ").And.Contain("in use by").And.Contain("42");
        none.State.Should().Be("failed");
        odd.State.Should().Be("failed");
        odd.Reason.Should().Contain("is a change");
        session.Devices[0].GetGpuInstances().Should().ContainSingle("to look changes nothing");
        Directory.Exists(journal).Should().BeFalse();
    }

    [Theory]
    [InlineData("http://10.0.0.1", "n", "00:00:01", "Server is 'http://10.0.0.1': it must be https://")]
    [InlineData("http://127.0.0.1:80", "Not A Node", "00:00:01", "Node is 'Not A Node'")]
    [InlineData("https://10.0.0.1", "n", "00:00:00", "ReadInterval is 00:00:00")]
    public void Options_that_make_no_sense_are_named(string server, string node, string interval, string message)
    {
        KubernetesOptions options = new()
        {
            Server = server,
            Node = node,
            ReadInterval = TimeSpan.Parse(interval, CultureInfo.InvariantCulture),
        };

        new KubernetesOptions.Validator().Validate(null, options).Failures.Should().ContainSingle().Which.Should().StartWith(message);
    }

    [Fact]
    public void Pauses_grow_up_to_the_limit()
    {
        Backoff backoff = new(TimeSpan.FromSeconds(5));

        TimeSpan[] pauses = [.. Enumerable.Range(0, 6).Select(_ => backoff.Next())];

        pauses[0].Should().BeLessThanOrEqualTo(TimeSpan.FromSeconds(1));
        pauses[^1].Should().BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(2.5)).And.BeLessThanOrEqualTo(TimeSpan.FromSeconds(5));
        backoff.Next(TimeSpan.FromMinutes(1)).Should().Be(TimeSpan.FromMinutes(1), "the server asks for it");
    }

    private static KubeObject Node(int version, (string, string)[]? labels = null, (string, string)[]? annotations = null) =>
        new(new KubeMetadata
        {
            Name = "n",
            Uid = "u",
            ResourceVersion = $"{version}",
            Labels = (labels ?? []).ToDictionary(l => l.Item1, l => l.Item2, StringComparer.Ordinal),
            Annotations = (annotations ?? []).ToDictionary(l => l.Item1, l => l.Item2, StringComparer.Ordinal),
        });
}
