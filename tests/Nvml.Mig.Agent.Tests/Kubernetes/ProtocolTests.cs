using System.Text.Json.Nodes;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests.Leases;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>The labels of mig-manager, on a real API server: what a node asks for, and what it is told.</summary>
[Collection(KubeTests.Name)]
public class ProtocolTests(KubeCluster cluster)
{
    private const string DevicePlugin = "nvidia-device-plugin-daemonset";
    private const string Validator = "nvidia-operator-validator";

    [KubeFact]
    public async Task A_label_divides_the_gpus()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*2");
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-balanced");

        JsonNode after = await node.WaitAsync("success");
        (node.Layouts(0), node.Layouts(1)).Should().Be(("1g.10gb*2,2g.20gb*1,3g.40gb*1", "1g.10gb*2,2g.20gb*1,3g.40gb*1"));
        after["annotations"]?[KubeNode.Reason].Should().BeNull();
        await node.WaitUntilAsync(async () => (await node.EventsAsync()).Length > 0, "there is an event");
        (await node.EventsAsync()).Should().Equal("Normal MigApplied: all-balanced: all GPUs are divided so.");
    }

    [KubeFact]
    public async Task An_annotation_has_the_layout_itself()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "A100-SXM4-40GB");
        await node.LabelAsync(KubeNode.Layout, "all-disabled");
        await node.AnnotateAsync(KubeNode.Spec, "3g.20gb,1g.5gb*3");

        await node.StartAgentAsync();

        await node.WaitAsync("success");
        node.Layouts(0).Should().Be("1g.5gb*3,3g.20gb*1");
        await node.AnnotateAsync(KubeNode.Spec, null);
        await node.WaitAsync("success", _ => node.Layouts(0) == "disabled");
    }

    [KubeFact]
    public async Task Only_what_differs_changes()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "A100-SXM4-40GB");
        await node.StartAgentAsync();
        await node.AnnotateAsync(KubeNode.Spec, "3g.20gb,1g.5gb");
        await node.WaitAsync("success");
        GpuInstance kept = node.Machine.Gpu.GetGpuInstances().Single(i => i.Profile.Name == "3g.20gb");
        using IDisposable program = node.Machine.Simulator.StartProcess(
            kept.GetComputeInstances()[0].GetMigDevice(), Environment.ProcessId, "train");

        await node.AnnotateAsync(KubeNode.Spec, "3g.20gb,2g.10gb");

        await node.WaitAsync("success", _ => node.Layouts(0) == "2g.10gb*1,3g.20gb*1");
        node.Machine.Gpu.GetGpuInstances().Should().Contain(i => i.Id == kept.Id);
    }

    [KubeFact]
    public async Task A_change_of_the_mode_pauses_pods_that_run()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, hasMig: false);
        foreach (string operand in (string[])["device-plugin", "dcgm", "nvsm", "client"])
            await node.LabelAsync($"nvidia.com/gpu.deploy.{operand}", "true");
        await node.LabelAsync("nvidia.com/gpu.deploy.dcgm-exporter", "false");
        await using KubeOperator nvidia = new(node);
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Length == 2, "two pods run");
        (string App, string Uid, string Path)[] before = await node.PodsAsync();
        await node.StartAgentAsync(configure: o => o.ClientLabel = "nvidia.com/gpu.deploy.client");

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        JsonNode after = await node.WaitAsync("success");
        node.Layouts(0).Should().Be("1g.10gb*7");
        Deployed(after).Should().Equal(
            ("client", "true"), ("dcgm", "true"), ("dcgm-exporter", "false"), ("device-plugin", "true"), ("nvsm", "true"));
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Length == 2, "two pods run again");
        nvidia.Seen.Should().Equal("true", KubeNode.Paused, "true");
        (await node.PodsAsync()).Select(p => p.Uid).Should().NotIntersectWith(before.Select(p => p.Uid));
    }

    [KubeFact]
    public async Task New_instances_pause_nothing_and_renew_pods()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        await node.CreatePodAsync(Validator);
        await node.CreatePodAsync("somebody");
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Any(p => p.App == DevicePlugin), "the plugin runs");
        (string App, string Uid, string Path)[] before = await node.PodsAsync();
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        await node.WaitAsync("success");
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Any(p => p.App == DevicePlugin), "the plugin runs again");
        (await node.PodsAsync()).Select(p => p.Uid).Intersect(before.Select(p => p.Uid), StringComparer.Ordinal)
            .Should().Equal(before.Where(p => p.App == "somebody").Select(p => p.Uid));
        nvidia.Seen.Should().Equal("true");
    }

    [KubeFact]
    public async Task Nothing_is_disturbed_where_nothing_differs()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync();
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitAsync("success");
        await node.StopAgentAsync();
        await node.CreatePodAsync(DevicePlugin);
        (string App, string Uid, string Path)[] before = await node.PodsAsync();
        await node.LabelAsync(KubeNode.State, null);

        await node.StartAgentAsync();

        await node.WaitAsync("success");
        (await node.PodsAsync()).Should().Equal(before);
    }

    [KubeFact]
    public async Task A_name_that_is_not_there_fails_with_those_that_are()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-1g.5gb");

        (await node.WaitForReasonAsync("failed", "all-1g.5gb")).Should().Contain(
            "There is no layout 'all-1g.5gb' for the GPUs of this machine. There are: all-disabled, all-enabled, all-balanced, all-");
        await node.WaitUntilAsync(async () => (await node.EventsAsync()).Length > 0, "there is an event");
        (await node.EventsAsync()).Should().ContainSingle().Which.Should().StartWith("Warning MigFailed: all-1g.5gb: ");
        node.Layouts(0).Should().BeEmpty();
    }

    [KubeFact]
    public async Task A_mounted_file_is_read_again_when_it_changes()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        string file = node.File("config.yaml");
        await File.WriteAllTextAsync(file, Layouts("{1g.10gb: 2}"));
        await node.StartAgentAsync(configure: o => o.LayoutFile = file);
        await node.LabelAsync(KubeNode.Layout, "ours");
        await node.WaitAsync("success");
        node.Layouts(0).Should().Be("1g.10gb*2");

        await File.WriteAllTextAsync(file, Layouts("{3g.40gb: 2}"));

        await node.WaitAsync("success", _ => node.Layouts(0) == "3g.40gb*2");
        await File.WriteAllTextAsync(file, Layouts("{3g.40gb: many}"));
        (await node.WaitForReasonAsync("failed", "many")).Should().StartWith($"{file}:6:");
        node.Layouts(0).Should().Be("3g.40gb*2");
    }

    [KubeFact]
    public async Task An_instance_in_use_is_waited_for()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*2");
        await node.StartAgentAsync();
        await node.AnnotateAsync(KubeNode.Spec, "7g.80gb");
        await node.WaitAsync("success");
        MigDevice device = node.Machine.Gpu.GetGpuInstances()[0].GetComputeInstances()[0].GetMigDevice();
        IDisposable program = node.Machine.Simulator.StartProcess(device, Environment.ProcessId, "train");

        await node.AnnotateAsync(KubeNode.Spec, "1g.10gb*7");

        string reason = await node.WaitForReasonAsync("pending", "in use by");
        reason.Should().StartWith("GPU 0: ").And.Contain($"{Environment.ProcessId}").And.NotContain("GPU 1");
        (node.Layouts(0), node.Layouts(1)).Should().Be(("7g.80gb*1", "1g.10gb*7"), "one GPU does not hold up the other");
        program.Dispose();
        await node.WaitAsync("success");
        node.Layouts(0).Should().Be("1g.10gb*7");
        (await node.EventsAsync()).Where(e => e.StartsWith("Warning", StringComparison.Ordinal)).Should().ContainSingle();
    }

    [KubeFact]
    public async Task A_leased_instance_is_waited_for()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        LeaseManager leases = await node.Machine.OpenAsync();
        await leases.ClaimAsync(LeaseMachine.Want("train", "3g.40gb"), LeaseHold.UntilReleased);
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-disabled");

        (await node.WaitForReasonAsync("pending", "leased")).Should().Contain("3g.40gb").And.Contain("train");
        node.Layouts(0).Should().Be("3g.40gb*1");
        await leases.ReleaseAsync("train");
        await node.WaitAsync("success");
        node.Layouts(0).Should().Be("disabled");
    }

    [KubeFact]
    public async Task A_lost_gpu_does_not_hold_up_the_others()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*3");
        node.Machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMigMode") with { Gpu = 1 });
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        (await node.WaitForReasonAsync("failed", "GPU 1")).Should().NotContain("GPU 0:").And.Contain("NVML_ERROR_GPU_IS_LOST");
        (node.Layouts(0), node.Layouts(2)).Should().Be(("1g.10gb*7", "1g.10gb*7"));
    }

    [KubeFact]
    public async Task A_mode_that_takes_a_reboot_is_waited_for()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "A100-SXM4-40GB+vm", hasMig: false);
        await node.StartAgentAsync();

        await node.LabelAsync(KubeNode.Layout, "all-1g.5gb");

        (await node.WaitForReasonAsync("pending", "reboot")).Should().StartWith("GPU 0: The MIG mode is ");
        await node.StopAgentAsync();
        node.Machine.Simulator.Reboot();
        await node.StartAgentAsync();
        await node.WaitAsync("success");
    }

    [KubeFact]
    public async Task Pods_that_do_not_go_end_the_attempt()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, hasMig: false);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await node.CreatePodAsync(DevicePlugin, isStubborn: true);
        await node.StartAgentAsync(configure: o => (o.PodTimeout, o.MaxRetryDelay) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3)));

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        (await node.WaitForReasonAsync("failed", "have not gone in time")).Should().Contain($"{DevicePlugin}-");
        (await node.LabelAsync(KubeNode.Plugin)).Should().Be("true");
        node.Layouts(0).Should().Be("disabled");
        foreach ((_, _, string path) in await node.PodsAsync())
            await node.DeletePodAsync(path);
        await node.WaitAsync("success");
    }

    [KubeFact]
    public async Task A_pod_that_holds_a_gpu_is_paused_for_instances()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync();
        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");
        await node.WaitAsync("success");
        await node.LabelAsync("nvidia.com/gpu.deploy.dcgm", "true");
        await using KubeOperator nvidia = new(node, holdsGpu: true);

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        await node.WaitAsync("success", _ => node.Layouts(0) == "1g.10gb*7");
        (await node.LabelAsync("nvidia.com/gpu.deploy.dcgm")).Should().Be("true");
    }

    [KubeFact]
    public async Task Labels_that_a_dead_agent_has_paused_are_put_back()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.LabelAsync(KubeNode.Plugin, KubeNode.Paused);
        await node.LabelAsync("nvidia.com/gpu.deploy.dcgm", "paused-for-driver-upgrade");
        await node.LabelAsync(KubeNode.Layout, "all-enabled");

        await node.StartAgentAsync();

        Deployed(await node.WaitAsync("success")).Should().Equal(("dcgm", "paused-for-driver-upgrade"), ("device-plugin", "true"));
    }

    [KubeFact]
    public async Task What_others_change_is_put_right()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync();
        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");
        await node.WaitAsync("success");

        GpuInstance one = node.Machine.Gpu.GetGpuInstances()[0];
        one.GetComputeInstances()[0].Destroy();
        one.Destroy();

        await node.WaitUntilAsync(() => Task.FromResult(node.Layouts(0) == "3g.40gb*2"), "the instance is there again");
        await node.WaitAsync("success");
    }

    [KubeFact]
    public async Task Without_a_label_nothing_is_touched()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync();
        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");
        await node.WaitAsync("success");

        await node.LabelAsync(KubeNode.Layout, null);
        await Task.Delay(500);
        node.Machine.Gpu.GetGpuInstances()[0].GetComputeInstances()[0].Destroy();
        await Task.Delay(TimeSpan.FromSeconds(2.5));

        node.Machine.Gpu.GetGpuInstances().Sum(i => i.GetComputeInstances().Count).Should().Be(1);
    }

    private static string Layouts(string devices) => $"""
        version: v1
        mig-configs:
          ours:
          - devices: all
            mig-enabled: true
            mig-devices: {devices}

        """;

    /// <summary>The deploy labels, without what they all begin with.</summary>
    private static (string Operand, string Value)[] Deployed(JsonNode node) =>
        [.. node["labels"]!.AsObject()
            .Where(l => l.Key.StartsWith("nvidia.com/gpu.deploy.", StringComparison.Ordinal))
            .Select(l => (l.Key["nvidia.com/gpu.deploy.".Length..], (string)l.Value!))
            .OrderBy(l => l.Item1, StringComparer.Ordinal)];
}
