using System.Diagnostics;
using System.Text.RegularExpressions;
using Nvml.Mig.Agent.Tests.Page;
using Nvml.Mig.Leasing;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Metrics;

/// <summary>The metrics that Prometheus gets.</summary>
public partial class MetricsTests
{
    [Fact]
    public async Task Instances_have_their_owners()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();

        string[] lines = await ReadAsync(machine, "/metrics");

        string used = lines.Single(l => l.StartsWith("hw_gpu_memory_usage_bytes{", StringComparison.Ordinal)
            && l.Contains("nvml_mig_lease_id=\"train-llm\"", StringComparison.Ordinal));
        used.Should().Contain("nvml_mig_owner_uid=\"1001\"").And.Contain("nvml_mig_owner_label=\"slurm:1234\"")
            .And.Contain("nvml_mig_queue=\"research\"").And.Contain("hw_parent=\"GPU-").And.EndWith("} 32505856000");
        lines.Should().Contain(l => l.StartsWith("nvml_mig_queue_fair_share", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_instance_that_is_gone_has_no_series()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync("H100-SXM5-80GB");
        Claim claim = new("train", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of("1g.10gb")]);
        string instance = (await machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased)).Instances[0].MigUuid;
        await Task.Delay(1500); // A reading is a second old at most, the book too.
        (await ReadAsync(machine, "/metrics")).Should().Contain(l => l.Contains(instance) && l.Contains("\"train\""));

        await machine.Manager.ReleaseAsync("train");
        await Task.Delay(1500);
        (await ReadAsync(machine, "/metrics")).Should().Contain(l => l.Contains(instance)).And.NotContain(l => l.Contains("\"train\""));
        await machine.Manager.ClearAsync();
        await Task.Delay(1500);

        (await ReadAsync(machine, "/metrics")).Should().NotContain(l => l.Contains(instance));
    }

    [Fact]
    public async Task Dashboards_of_dcgm_exporter_go_on()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        await ReadAsync(machine, "/metrics/dcgm");
        await Task.Delay(1100); // Activity is of the time between two readings.

        string[] lines = await ReadAsync(machine, "/metrics/dcgm");

        string used = lines.Single(l => l.StartsWith("DCGM_FI_DEV_FB_USED{gpu=\"0\"", StringComparison.Ordinal)
            && l.Contains("GPU_I_PROFILE=\"3g.40gb\"", StringComparison.Ordinal));
        used.Should().MatchRegex("UUID=\"GPU-[^\"]*\",device=\"nvidia0\",modelName=\"NVIDIA H100 80GB HBM3\"")
            .And.MatchRegex("GPU_I_ID=\"\\d+\",Hostname=\"[^\"]+\",DCGM_FI_DRIVER_VERSION=\"[0-9.]+\"} 31000$");
        lines.Should().ContainSingle(l => l.StartsWith("DCGM_FI_PROF_GR_ENGINE_ACTIVE{gpu=\"0\"", StringComparison.Ordinal)
            && l.Contains("\"3g.40gb\"", StringComparison.Ordinal) && l.EndsWith(" 0.92", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_not_measured_has_no_value()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync("A100-SXM4-40GB");
        await machine.Manager.ClaimAsync(
            new Claim("train", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of("1g.5gb")]), LeaseHold.UntilReleased);
        await ReadAsync(machine, "/metrics/dcgm");
        await Task.Delay(1100);

        (await ReadAsync(machine, "/metrics/dcgm")).Should().NotContain(
            l => l.StartsWith("DCGM_FI_PROF_GR_ENGINE_ACTIVE{", StringComparison.Ordinal));
        (await ReadAsync(machine, "/metrics")).Should().NotContain(
            l => l.StartsWith("hw_gpu_utilization", StringComparison.Ordinal) && l.Contains("hw_parent", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_dashboard_asks_only_for_what_there_is()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        using CancellationTokenSource end = new();
        Claim claim = new("late", "product", new LeaseOwner(990), [InstanceRequest.Of("3g.40gb")]);
        Task waiting = machine.Manager.ClaimAsync(claim, LeaseHold.UntilReleased, cancellationToken: end.Token);
        Claim quick = new("quick", "teaching", new LeaseOwner(2003), [InstanceRequest.Of("1g.10gb")]);
        await machine.Manager.ClaimAsync(quick, LeaseHold.UntilReleased);
        await Eventually.HoldsAsync(async () => (await machine.Manager.ReadAsync()).Waiting.Should().ContainSingle());
        await Task.Delay(1500);
        await ReadAsync(machine, "/metrics");
        await Task.Delay(1500);
        string[] lines = await ReadAsync(machine, "/metrics");
        string dashboard = File.ReadAllText(Path.Combine(AgentMachine.Repository, "docs", "grafana.json"));

        string[] asked = [.. Name().Matches(dashboard).Select(m => m.Value).Distinct()
            .Except(["hw_temperature_celsius"])]; // A simulated H100 has none.

        asked.Should().HaveCountGreaterThan(8);
        foreach (string name in asked)
        {
            lines.Should().Contain(
                l => l.StartsWith(name + "{", StringComparison.Ordinal) || l.Contains(name + "=\"", StringComparison.Ordinal), name);
        }

        await end.CancelAsync();
        await waiting.Awaiting(w => w).Should().ThrowAsync<OperationCanceledException>();
    }

    [ToolFact("promtool")]
    public async Task Promtool_finds_nothing()
    {
        await using AgentMachine machine = await SharedMachine.StartAsync();
        foreach (string path in (string[])["/metrics", "/metrics/dcgm"])
        {
            await ReadAsync(machine, path);
            await Task.Delay(1100);
            string text = string.Join('\n', await ReadAsync(machine, path)) + "\n";
            ProcessStartInfo start = new("promtool", ["check", "metrics"])
            {
                UseShellExecute = false,
                RedirectStandardInput = true,
                RedirectStandardError = true,
                RedirectStandardOutput = true,
            };
            using Process promtool = Process.Start(start)!;
            Task<string> said = promtool.StandardError.ReadToEndAsync();
            await promtool.StandardInput.WriteAsync(text);
            promtool.StandardInput.Close();
            await promtool.WaitForExitAsync();

            // Names with capitals are dcgm-exporter's.
            string[] lines = (await said).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            lines.Where(l => path == "/metrics" || !l.Contains("snake_case")).Should().BeEmpty("of {0}", path);
        }
    }

    [GeneratedRegex(@"\b(hw|nvml_mig)_[a-z_]+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Name();

    internal static async Task<string[]> ReadAsync(AgentMachine machine, string path)
    {
        Answer answer = await machine.GetAsync(path);
        answer.Code.Should().Be(200, answer.Text);
        return [.. answer.Text.Split('\n').Where(l => l.Length > 0)];
    }
}

/// <summary>A test with a program that a fresh machine lacks.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class ToolFactAttribute : FactAttribute
{
    public ToolFactAttribute(string program)
    {
        string[] folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':');
        if (!folders.Any(f => File.Exists(Path.Combine(f, program))))
            Skip = $"There is no {program}: apt-get install prometheus.";
    }
}
