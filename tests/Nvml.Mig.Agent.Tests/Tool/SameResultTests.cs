using System.Text.Json;
using System.Text.RegularExpressions;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Tests.Tool;

/// <summary>What the commands of nvmig do has the same result with the agent and without.</summary>
public partial class SameResultTests
{
    private const string Default = LeaseOptions.DefaultQueue;

    /// <summary>One after the other on one machine: what each command asks for, with what it prints or how it fails.</summary>
    private static readonly (string Name, Func<ILeases, AgentMachine, Task<object?>> Do)[] Acts =
    [
        ("lease acquire", async (leases, _) => await ClaimAsync(leases, Want("train", "3g.20gb") with { DurationSeconds = 3600 })),
        ("the same again", async (leases, _) => await ClaimAsync(leases, Want("train", "3g.20gb") with { DurationSeconds = 3600 })),
        ("another of the name", async (leases, _) => await ClaimAsync(leases, Want("train", "1g.5gb"))),
        ("by need, while a process runs", async (leases, _) => await ClaimAsync(leases, new ClaimRequest
        {
            Id = "need",
            Label = "job 7",
            Requests = [new() { MemoryMiB = 4000, Count = 2 }],
            Preemptible = true,
            ProcessId = Environment.ProcessId,
        })),
        ("no such process", async (leases, _) => await ClaimAsync(leases, Want("none", "1g.5gb") with { ProcessId = int.MaxValue })),
        ("no room", async (leases, _) => await ClaimAsync(leases, Want("all", "7g.40gb"))),
        ("no room in time", async (leases, _) => await ClaimAsync(leases, Want("all", "7g.40gb"), TimeSpan.FromMilliseconds(50))),
        ("no such profile", async (leases, _) => await ClaimAsync(leases, Want("all", "9g.90gb"), TimeSpan.FromSeconds(5))),
        ("no such queue", async (leases, _) => await ClaimAsync(leases, Want("all", "1g.5gb") with { Queue = "nobody" })),
        ("no such name", async (leases, _) => await ClaimAsync(leases, Want("a/b", "1g.5gb"))),
        ("run", async (leases, _) => await ClaimAsync(leases, Want("run", "1g.5gb") with { WhileCallerRuns = true })),
        ("lease show", async (leases, _) => await leases.ShowAsync("train", default)),
        ("no such lease", async (leases, _) => await leases.ShowAsync("nobody", default)),
        ("a process uses it", async (leases, machine) =>
        {
            MigDevice device = machine.Leases.Session.GetMigDevice((await leases.ShowAsync("train", default)).Instances[0].MigUuid);
            using IDisposable process = machine.Leases.Simulator.StartProcess(device, Environment.ProcessId, "python", memoryMiB: 512);
            return await leases.ReadAsync(usage: true, default);
        }),
        ("lease renew", async (leases, _) => await leases.RenewAsync("train", new() { DurationSeconds = 7200 }, default)),
        ("another generation", async (leases, _) => await leases.RenewAsync("train", new() { Generation = 99 }, default)),
        ("lease policy", async (leases, _) =>
        {
            await leases.SetPolicyAsync(new(1, 2, 3, true, null), default);
            return null;
        }),
        ("queue set", async (leases, _) =>
        {
            await leases.SetQueueAsync("team", new() { Quota = new(4, 4), Weight = 0, Idle = IdlePolicy.Release }, default);
            return null;
        }),
        ("a queue within itself", async (leases, _) =>
        {
            await leases.SetQueueAsync("team", new() { Parent = "team" }, default);
            return null;
        }),
        ("a queue that has leases", async (leases, _) =>
        {
            await leases.DeleteQueueAsync(Default, default);
            return null;
        }),
        ("queue delete", async (leases, _) =>
        {
            await leases.DeleteQueueAsync("team", default);
            return null;
        }),
        ("no queue to delete", async (leases, _) =>
        {
            await leases.DeleteQueueAsync("team", default);
            return null;
        }),
        ("reservation add", async (leases, _) =>
        {
            await leases.AddReservationAsync(Keep("course", 1), default);
            return null;
        }),
        ("no room to keep", async (leases, _) =>
        {
            await leases.AddReservationAsync(Keep("more", 100), default);
            return null;
        }),
        ("lease list", async (leases, _) => await leases.ReadAsync(usage: true, default)),
        ("reservation delete", async (leases, _) =>
        {
            await leases.DeleteReservationAsync("course", default);
            return null;
        }),
        ("lease release", async (leases, _) =>
        {
            await leases.ReleaseAsync("train", null, default);
            await leases.ReleaseAsync("run", null, default);
            return null;
        }),
        ("released again", async (leases, _) =>
        {
            await leases.ReleaseAsync("train", null, default);
            return null;
        }),
        ("lease clear", async (leases, _) => await leases.ClearAsync(null, default)),
        ("no such GPU", async (leases, _) => await leases.ClearAsync("GPU-0", default)),
        ("lease adopt", async (leases, machine) =>
        {
            GpuInstance stranger = machine.Leases.Gpu.CreateGpuInstance(machine.Leases.Gpu.GetGpuInstanceProfile("2g.10gb"));
            stranger.CreateComputeInstance();
            AdoptRequest adopt = new() { GpuUuid = machine.Leases.Gpu.Uuid, GpuInstanceId = stranger.Id, Id = "adopted", Label = "old" };
            return await leases.AdoptAsync(adopt, default);
        }),
        ("no instance to adopt", async (leases, machine) =>
            await leases.AdoptAsync(new() { GpuUuid = machine.Leases.Gpu.Uuid, GpuInstanceId = 99, Id = "none" }, default)),
        ("queue list", async (leases, _) => await leases.ReadAsync(usage: false, default)),
    ];

    [Fact]
    public async Task Each_command_has_the_same_result_both_ways()
    {
        string[] expected;
        await using (AgentMachine alone = new())
        {
            using LeaseManager manager = await LeaseManager.OpenAsync(
                alone.Leases.Session, new LeaseOptions { JournalFolder = alone.Leases.JournalFolder });
            using OwnLeases own = new(alone.Leases.Session, manager, () => MigMinors.Read());
            expected = await TellAllAsync(own, alone);
        }

        await using AgentMachine served = await AgentMachine.StartAsync();
        using AgentLeases asked = new(new AgentConnection(served.Socket));
        string[] found = await TellAllAsync(asked, served);

        foreach ((string with, string without) in found.Zip(expected))
            with.Should().Be(without);
        expected.Should().Contain(r => r.StartsWith("lease show: {", StringComparison.Ordinal))
            .And.Contain(r => r.StartsWith("no room: 75: Claim all cannot be granted now; it was number 1.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Commands_print_the_same_both_ways()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", """{"id":"train","requests":[{"profile":"3g.20gb"}]}""");
        foreach (string[] command in (string[][])[["lease", "list"], ["lease", "show", "train", "--json"]])
        {
            (int exit, string output, string error) = await machine.AskAgentAsync(command);

            exit.Should().Be(0, error);
            output.Should().Be(await machine.NvmigAsync(command)).And.Contain("3g.20gb");
        }
    }

    private static async Task<string[]> TellAllAsync(ILeases leases, AgentMachine machine)
    {
        List<string> told = [];
        foreach ((string name, Func<ILeases, AgentMachine, Task<object?>> act) in Acts)
            told.Add($"{name}: {await TellAsync(() => act(leases, machine))}");
        return [.. told];
    }

    private static ClaimRequest Want(string id, string profile) => new() { Id = id, Requests = [new() { Profile = profile }] };

    private static ReservationRequest Keep(string id, int count) => new()
    {
        Id = id,
        Queue = Default,
        Profile = "1g.5gb",
        Count = count,
        Start = DateTimeOffset.UtcNow,
        End = DateTimeOffset.UtcNow.AddHours(1),
    };

    /// <summary>The lease, and all that was told before it.</summary>
    private static async Task<object?> ClaimAsync(ILeases leases, ClaimRequest request, TimeSpan? timeout = null)
    {
        List<string> told = [];
        try
        {
            return await leases.ClaimAsync(request, timeout ?? TimeSpan.Zero, told.Add, default);
        }
        catch (LeaseException e) when (timeout is not null && told.Count > 0)
        {
            throw new LeaseException(e.Error, $"{string.Join(' ', told)} {e.Message}");
        }
    }

    /// <summary>The document without times, or the failure with the exit code and what it says.</summary>
    private static async Task<string> TellAsync(Func<Task<object?>> act)
    {
        try
        {
            object? result = await act();
            return result is null ? "" : Times().Replace(JsonSerializer.Serialize(result), "a time");
        }
        catch (Exception e) when (e is LeaseException or NvmlException)
        {
            return $"{ExitCodes.For(e)}: {e.Message}";
        }
    }

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Times();
}
