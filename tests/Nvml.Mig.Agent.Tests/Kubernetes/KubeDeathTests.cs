using System.Text.Json.Nodes;
using Nvml.Mig.Simulator;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>
/// The agent is killed at each of its writes, to the API server and to the driver, three lives in a row: the fourth ends it well.
/// </summary>
[Collection(KubeTests.Name)]
public class KubeDeathTests(KubeCluster cluster, ITestOutputHelper output)
{
    private const string DevicePlugin = "nvidia-device-plugin-daemonset";
    private const int Lives = 3;

    private int _deaths;

    [KubeTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Death_at_a_write_to_the_server_leaves_nothing(bool isAfter)
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*2", hasMig: false);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        // A mode and instances; instances; a mode.
        (string From, string To)[] changes =
            [("all-disabled", "all-balanced"), ("all-3g.40gb", "all-1g.10gb"), ("all-1g.10gb", "all-disabled")];
        foreach ((string from, string to) in changes)
        {
            int write = 1;
            while (true)
            {
                (string App, string Uid, string Path)[] before = await BeginAsync(node, from);
                await node.LabelAsync(KubeNode.Layout, to);
                bool hasDied = await KillAtAsync(node, proxy, write, isAfter);
                await EndAsync(node, proxy, to, before, $"{from} to {to}, write {write}");
                if (!hasDied)
                    break; // It does not write so often.
                write++;
            }

            write.Should().BeGreaterThan(3, "a change takes two patches and an event at least");
        }

        output.WriteLine($"{_deaths} deaths");
    }

    [KubeTheory]
    [InlineData("nvmlDeviceSetMigMode", "all-disabled", "all-balanced")]
    [InlineData("nvmlDeviceCreateGpuInstanceWithPlacement", "all-disabled", "all-balanced")]
    [InlineData("nvmlGpuInstanceCreateComputeInstance", "all-disabled", "all-balanced")]
    [InlineData("nvmlComputeInstanceDestroy", "all-7g.80gb", "all-1g.10gb")]
    [InlineData("nvmlGpuInstanceDestroy", "all-7g.80gb", "all-1g.10gb")]
    public async Task Death_at_a_change_of_the_gpu_leaves_nothing(string function, string from, string to)
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*2", hasMig: false);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        (string App, string Uid, string Path)[] before = await BeginAsync(node, from);
        await node.LabelAsync(KubeNode.Layout, to);
        for (int life = 0; life < Lives; life++)
        {
            using KubeAgent agent = KubeAgent.Start(
                cluster, node, proxy, NvmlFault.Kill(function) with { AfterEffect = life % 2 == 1 });
            await node.WaitUntilAsync(async () => agent.HasEnded || await IsDoneAsync(node), "it dies, or has nothing to do");
            _deaths += agent.HasEnded ? 1 : 0;
        }

        await EndAsync(node, proxy, to, before, function);
        _deaths.Should().BeGreaterThanOrEqualTo(2);
        output.WriteLine($"{_deaths} deaths");
    }

    /// <summary>Another layout is in place, its pods run, and no agent does.</summary>
    private static async Task<(string App, string Uid, string Path)[]> BeginAsync(KubeNode node, string layout)
    {
        await node.StartAgentAsync();
        await node.LabelAsync(KubeNode.Layout, layout);
        await node.WaitAsync("success", _ => node.Layouts(1) == Instances(layout));
        await node.StopAgentAsync();
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Any(p => p.App == DevicePlugin), "the plugin runs");
        return await node.PodsAsync();
    }

    /// <summary>Three lives, each of which ends at its n-th write; false if the first does not write so often.</summary>
    private async Task<bool> KillAtAsync(KubeNode node, KubeProxy proxy, int write, bool isAfter)
    {
        bool hasDied = false;
        for (int life = 0; life < Lives; life++)
        {
            int writes = 0;
            KubeAgent? running = null;
            TaskCompletionSource started = new(TaskCreationOptions.RunContinuationsAsynchronously);
            proxy.Requests.Clear();
            proxy.Passing = async (what, after) =>
            {
                await started.Task;
                if (after == isAfter && KubeProxy.IsWrite(what) && Interlocked.Increment(ref writes) == write)
                    running!.Kill();
            };
            using KubeAgent agent = running = KubeAgent.Start(cluster, node, proxy);
            started.SetResult();
            await node.WaitUntilAsync(
                async () => agent.HasEnded || (await IsDoneAsync(node) && proxy.Count("WATCH nodes") > 0),
                $"it dies at write {write}, or is done");
            for (int i = 0; i < 20 && !agent.HasEnded; i++)
                await Task.Delay(50); // Whatever it still writes.
            proxy.Passing = (_, _) => Task.CompletedTask;
            if (!agent.HasEnded)
                break; // The lives before have done so much that this one had less to write.
            hasDied = true;
            _deaths++;
        }

        return hasDied;
    }

    private static async Task<bool> IsDoneAsync(KubeNode node)
    {
        JsonNode now = await node.ReadAsync();
        return (string?)now["labels"]![KubeNode.State] == "success" && now["annotations"]?[KubeNode.Changing] is null
            && node.Layouts(1) == Instances((string)now["labels"]![KubeNode.Layout]!);
    }

    /// <summary>A last life, after which all is as it should be.</summary>
    private async Task EndAsync(
        KubeNode node, KubeProxy proxy, string layout, (string App, string Uid, string Path)[] before, string because)
    {
        using (KubeAgent last = KubeAgent.Start(cluster, node, proxy))
            await node.WaitAsync("success", _ => node.Layouts(0) == Instances(layout) && node.Layouts(1) == Instances(layout));
        (await node.LabelAsync(KubeNode.Plugin)).Should().Be("true", because);
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Any(p => p.App == DevicePlugin), "the plugin runs again");
        (await node.PodsAsync()).Select(p => p.Uid).Should().NotIntersectWith(before.Select(p => p.Uid), because);
    }

    private static string Instances(string layout) => layout switch
    {
        "all-disabled" => "disabled",
        "all-balanced" => "1g.10gb*2,2g.20gb*1,3g.40gb*1",
        "all-1g.10gb" => "1g.10gb*7",
        "all-3g.40gb" => "3g.40gb*2",
        _ => "7g.80gb*1",
    };
}
