using System.Text.RegularExpressions;
using Nvml.Mig.Leasing;
using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Page;

/// <summary>The page as it comes, before any script runs.</summary>
public partial class PageTests
{
    [Fact]
    public async Task It_shows_who_has_which_instance()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();

        string page = await ReadAsync(machine, "/");

        Row(page, "train-llm").Should().Contain("3g.40gb").And.Contain("uid 1001 (slurm:1234)").And.Contain("research")
            .And.Contain("30.3 of 39.5 GiB").And.Contain("released");
        Row(page, "notebook-ann").Should().Contain("0.9 of 9.8 GiB");
        page.Should().Contain("GPU 3").And.Contain("MIG disabled").And.NotContain("Problem:");
    }

    [Fact]
    public async Task Instances_are_drawn_to_scale()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();

        string page = await ReadAsync(machine, "/");

        page.Should().MatchRegex("""class="instance at-4 span-4 queue-\d"><b>3g.40gb</b><span>train-llm""")
            .And.Contain("""<div class="free at-""").And.Contain("row slices-8");
    }

    [Fact]
    public async Task It_says_why_a_claim_waits()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        using CancellationTokenSource end = new();
        Claim claim = new("late", "product", new LeaseOwner(990), [InstanceRequest.Of("3g.40gb")]);
        Task waiting = machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased, cancellationToken: end.Token);

        await Eventually.HoldsAsync(async () => (await ReadAsync(machine, "/"))
            .Should().Contain("<strong>late</strong>").And.Contain("its quota is 4 compute and 4 memory slices"));

        await end.CancelAsync();
        await waiting.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Texts_of_users_are_only_text()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        const string hostile = "\"><script>alert(1)</script>";
        Claim claim = new(hostile, LeaseOptions.DefaultQueue, new LeaseOwner(1000, hostile), [InstanceRequest.Of("1g.5gb")]);
        await machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased);

        string page = await ReadAsync(machine, "/");
        string lease = await ReadAsync(machine, "/lease?id=" + Uri.EscapeDataString(hostile));

        (page + lease).Should().NotContain("<script>").And.Contain("&lt;script&gt;alert(1)");
    }

    [Fact]
    public async Task A_lease_that_has_ended_has_its_history()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Claim claim = new("train", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of("1g.5gb")]);
        await machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased);
        await machine.Manager.ReleaseAsync("train");

        await Eventually.HoldsAsync(async () => (await ReadAsync(machine, "/lease?id=train"))
            .Should().Contain("There is no such lease now").And.Contain("Granted").And.Contain("Ended").And.Contain("It was released."));

        (await machine.GetAsync("/lease?id=nobody")).Code.Should().Be(404);
    }

    [Fact]
    public async Task A_lost_gpu_stands_on_the_page()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        machine.Leases.Simulator.SetFaults(NvmlFault.Return("*", NvmlReturnCode.GpuIsLost) with { Gpu = 1 });
        await Task.Delay(1100); // The last reading is too old then.

        string page = await ReadAsync(machine, "/");

        page.Should().MatchRegex("""GPU 1 <small>[^<]*</small></h3><p class="facts">lost""").And.Contain("Problem:");
        Row(page, "train-llm").Should().NotBeEmpty("the other GPUs are read all the same");
    }

    [Fact]
    public async Task The_last_hour_is_a_curve()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        await ReadAsync(machine, "/");
        await Task.Delay(1100);
        SharedMachine.Remember(machine);

        Row(await ReadAsync(machine, "/"), "train-llm")
            .Should().MatchRegex("Memory over the last hour: 31% to 7\\d%").And.Contain("<path d=\"M");
    }

    [Fact]
    public async Task Nothing_comes_from_elsewhere()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        using HttpResponseMessage response = await machine.Client.GetAsync("/");

        response.Headers.GetValues("Content-Security-Policy").Single().Should().StartWith("default-src 'none'").And.NotContain("unsafe");
        foreach (string path in (string[])["/", "/page/page.css", "/page/page.js"])
            (await ReadAsync(machine, path)).Should().NotContain("://");
        (await machine.GetAsync("/page/..%2fnvmig-agent.service")).Code.Should().Be(404);
    }

    private static async Task<string> ReadAsync(AgentMachine machine, string path)
    {
        Answer answer = await machine.GetAsync(path);
        answer.Code.Should().Be(200, answer.Text);
        return answer.Text;
    }

    private static string Row(string page, string lease) =>
        RowPattern().Matches(page).Select(m => m.Value).SingleOrDefault(r => r.Contains($">{lease}</a>", StringComparison.Ordinal)) ?? "";

    [GeneratedRegex("<tr id=.*?</tr>", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex RowPattern();
}
