using Microsoft.Extensions.Diagnostics.HealthChecks;
using Nvml.Mig.Leasing.Tests;
using Nvml.Mig.Simulator;
using Xunit.Abstractions;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>The API server fails, forgets, refuses and changes its mind: the GPUs end as the last label asks for.</summary>
[Collection(KubeTests.Name)]
public class KubeFaultTests(KubeCluster cluster, ITestOutputHelper output)
{
    [KubeFact]
    public async Task A_server_that_is_gone_is_waited_for()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync(proxy.Address);
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitAsync("success");

        proxy.IsDown = true;
        proxy.BreakWatches();
        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");
        await Task.Delay(TimeSpan.FromSeconds(LongTests.Wanted ? 60 : 3));
        node.Layouts(0).Should().Be("1g.10gb*7");
        HealthReportEntry health = await HealthAsync(node);
        health.Status.Should().Be(HealthStatus.Unhealthy);
        health.Description.Should().Contain("cannot be asked for 'watch' on nodes");
        proxy.IsDown = false;

        await node.WaitAsync("success", _ => node.Layouts(0) == "3g.40gb*2");
        (await HealthAsync(node)).Status.Should().Be(HealthStatus.Healthy);
    }

    [KubeFact]
    public async Task A_server_that_goes_during_a_change_is_told_later()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster, hasMig: false);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        int patches = 0;
        proxy.Passing = (what, isAfter) =>
        {
            if (what == "PATCH nodes" && isAfter && ++patches == 1)
                proxy.IsDown = true;
            return Task.CompletedTask;
        };
        await node.StartAgentAsync(proxy.Address);

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitUntilAsync(async () => await node.LabelAsync(KubeNode.Plugin) == KubeNode.Paused, "the plugin pauses");
        await Task.Delay(TimeSpan.FromSeconds(2));
        proxy.IsDown = false;

        await node.WaitAsync("success");
        (await node.LabelAsync(KubeNode.Plugin)).Should().Be("true");
        node.Layouts(0).Should().Be("1g.10gb*7");
    }

    [KubeTheory]
    [InlineData(null)]
    [InlineData(410)]
    [InlineData(500)]
    public async Task A_watch_that_breaks_misses_nothing(int? answer)
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.StartAgentAsync(proxy.Address);
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitAsync("success");
        int lists = proxy.Count("GET nodes"), refused = 0;

        proxy.Answer = what => what == "WATCH nodes" && answer is not null && ++refused <= 2 ? answer : null;
        proxy.BreakWatches();
        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");

        await node.WaitAsync("success", _ => node.Layouts(0) == "3g.40gb*2");
        proxy.Count("GET nodes").Should().BeGreaterThanOrEqualTo(lists + (answer is null ? 0 : 1), "after a refusal it lists anew");
    }

    [KubeFact]
    public async Task A_conflict_is_tried_again()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        int patches = 0;
        proxy.Answer = what => what == "PATCH nodes" && ++patches <= 4 ? 409 : null;
        await node.StartAgentAsync(proxy.Address);

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        await node.WaitAsync("success");
        patches.Should().Be(6, "four are refused, and two are needed");
        node.Layouts(0).Should().Be("1g.10gb*7");
    }

    /// <summary>Between reading and writing the label changes: the server finds that, and no state is of another label.</summary>
    [KubeFact]
    public async Task A_success_is_not_written_beside_another_label()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        List<string?> beside = [];
        int patches = 0;
        proxy.Passing = async (what, isAfter) =>
        {
            if (what != "PATCH nodes")
                return;
            if (!isAfter && ++patches == 2)
                await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");
            if (isAfter && await node.LabelAsync(KubeNode.State) == "success")
                beside.Add(await node.LabelAsync(KubeNode.Layout));
        };
        await node.StartAgentAsync(proxy.Address);

        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");

        await node.WaitAsync("success", _ => node.Layouts(0) == "3g.40gb*2");
        beside.Should().Equal("all-3g.40gb");
    }

    [KubeFact]
    public async Task A_label_that_changes_during_a_change_wins()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*4");
        await node.StartAgentAsync();
        node.Machine.Simulator.SetFaults(
            NvmlFault.Hang("nvmlDeviceCreateGpuInstanceWithPlacement", TimeSpan.FromMilliseconds(200)) with { Nth = null });
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.WaitUntilAsync(() => Task.FromResult(node.Layouts(1).Length > 0), "the second GPU is being divided");

        await node.LabelAsync(KubeNode.Layout, "all-3g.40gb");

        await node.WaitAsync("success");
        Enumerable.Range(0, 4).Select(node.Layouts).Should().AllBe("3g.40gb*2");
        node.Machine.Simulator.GetCallCount("nvmlDeviceCreateGpuInstanceWithPlacement")
            .Should().BeLessThan(7 * 4, "the first was given up");
    }

    [KubeFact]
    public async Task Too_few_rights_are_named()
    {
        await using KubeNode node = await KubeNode.CreateAsync(cluster);
        await node.LabelAsync(KubeNode.Layout, "all-1g.10gb");
        await node.StartAgentAsync(token: KubeCluster.WeakToken);

        await node.WaitUntilAsync(
            async () => (await HealthAsync(node)).Description?.Contains("lacks 'patch' on nodes", StringComparison.Ordinal) == true,
            "the check of health names the right");

        (await HealthAsync(node)).Status.Should().Be(HealthStatus.Unhealthy);
        node.Layouts(0).Should().BeEmpty("what cannot be said is not done");
        await node.StopAgentAsync();
        await node.StartAgentAsync();
        await node.WaitAsync("success");
    }

    /// <summary>Two labels a second. The last counts, and there is no flood of events.</summary>
    [KubeFact]
    public async Task The_last_of_many_labels_wins()
    {
        await using KubeProxy proxy = await KubeProxy.StartAsync(cluster);
        await using KubeNode node = await KubeNode.CreateAsync(cluster, "H100-SXM5-80GB*2", hasMig: false);
        await node.LabelAsync(KubeNode.Plugin, "true");
        await using KubeOperator nvidia = new(node);
        await node.StartAgentAsync(proxy.Address);
        string[] names = ["all-disabled", "all-1g.10gb", "all-balanced", "all-nothing", "all-enabled", "all-3g.40gb"];
        int labels = LongTests.Cases(12, 120);

        for (int i = 0; i < labels; i++)
        {
            await node.LabelAsync(KubeNode.Layout, names[i % names.Length]);
            await Task.Delay(500);
        }

        await node.WaitAsync("success", _ => (node.Layouts(0), node.Layouts(1)) == ("3g.40gb*2", "3g.40gb*2"));
        (await node.LabelAsync(KubeNode.Plugin)).Should().Be("true");
        int events = proxy.Requests.Count(r => r.EndsWith("events", StringComparison.Ordinal));
        events.Should().BeLessThanOrEqualTo(LongTests.Wanted ? 40 : 20, "there are ten a minute, each two requests at most");
        output.WriteLine($"{labels} labels: {proxy.Describe()}");
    }

    private static async Task<HealthReportEntry> HealthAsync(KubeNode node) =>
        (await node.Service<HealthCheckService>().CheckHealthAsync(check => check.Name == "kubernetes")).Entries["kubernetes"];
}
