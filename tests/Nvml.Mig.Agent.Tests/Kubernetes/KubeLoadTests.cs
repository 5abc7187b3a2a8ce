using Nvml.Mig.Leasing.Tests;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>The cost of a node to the API server.</summary>
[Collection(KubeTests.Name)]
public class KubeLoadTests(KubeCluster cluster, ITestOutputHelper output)
{
    [KubeFact]
    public async Task A_quiet_node_makes_no_requests_but_its_watch()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync(proxy.Address, configure: o => o.ReadInterval = TimeSpan.FromMilliseconds(100));
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitAsync("success");
        await node.WaitUntilAsync(async () => (await node.EventsAsync()).Length > 0, "the event is there");
        proxy.Requests.Clear();

        // Something else changes on the node now and then, as a kubelet changes its status.
        for (int i = 0; i < LongTests.Cases(6, 240); i++)
        {
            await node.LabelAsync("example.com/heartbeat", $"{i}");
            await Task.Delay(500);
        }

        proxy.Requests.Should().BeEmpty("the GPUs are looked at all the time, and the watch stands");
    }

    [KubeTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_change_takes_few_requests(bool switchesMode)
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*8", hasMig: !switchesMode);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        await node.WaitUntilAsync(async () => (await node.PodsAsync()).Length == 1, "the plugin runs");
        await node.StartAgentAsync(proxy.Address);
        await node.WaitUntilAsync(() => Task.FromResult(proxy.Count("WATCH nodes") > 0), "the node is watched");
        proxy.Requests.Clear();

        await node.LabelAsync(KubeNode.Layout, "all-balanced");

        await node.WaitAsync("success");
        await node.WaitUntilAsync(async () => (await node.EventsAsync()).Length > 0, "the event is there");
        output.WriteLine($"{(switchesMode ? "mode and instances" : "instances")}: {proxy.Describe()}");
        string[] expected = switchesMode
            ? ["PATCH nodes", "PATCH nodes", "POST events"]
            : ["PATCH nodes", "DELETE pods", "PATCH nodes", "POST events"];
        proxy.Requests.Where(r => r != "GET pods").Should().Equal(expected);
        proxy.Count("GET pods").Should().BeInRange(1, 4);
    }
}
