using System.CommandLine;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary><c>nvmig lease</c>: acquires, lists and ends leases of instances.</summary>
internal static class LeaseCommand
{
    private static readonly Argument<string> Id = new("id") { Description = "The name of the lease." };

    private static readonly Argument<string[]> Ids = new("id")
    {
        Description = "The names of the leases.",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<string?> Name = new("--id")
    {
        Description = "The name of the lease. The same claim of that name again gets the lease that there is. By default a new one.",
        HelpName = "ID",
    };

    private static readonly Option<TimeSpan?> For = Durations.Option(
        "--for", "How long it lasts without being renewed. By default until it is released.");

    private static readonly Option<int?> Pid = new("--pid") { Description = "It ends with this process.", HelpName = "PID" };

    private static readonly Option<long?> Generation = new("--generation")
    {
        Description = "The generation that is meant: another lease of the same name is left alone.",
        HelpName = "N",
    };

    private static readonly Argument<int> GpuInstance = new("gpu-instance") { Description = "The id of the GPU instance." };

    public static Command Build() => new("lease", "Lease instances: who has which, until when, and who waits.")
    {
        BuildAcquire(),
        Command("list", "List the leases, who waits and why, and the instances that nobody leases.", [], ListAsync, changes: false),
        Command("show", "Show a lease: its instances, device nodes, processes and environment variables.", [Id], ShowAsync, changes: false),
        Command("renew", "Make a lease last from now for its duration, or for another.", [Id, For, Generation], RenewAsync),
        Command("release", "End leases. Their instances are free once no process uses them.", [Ids, Generation], ReleaseAsync),
        Command(
            "adopt",
            "Take over an instance that leasing did not create, as a lease. Name the GPU with -i.",
            [GpuInstance, Name, For, Pid, ClaimArguments.Queue, ClaimArguments.Label],
            AdoptAsync),
        Command("clear", "Destroy the instances that nobody leases: cached ones, and those with a fault.", [], ClearAsync),
        PolicyCommand.Build(),
    };

    /// <summary>A command on the machine's leases.</summary>
    public static Command Command(
        string name,
        string description,
        IReadOnlyList<Symbol> symbols,
        Func<ParseResult, ILeases, Machine, CancellationToken, Task<int>> run,
        bool changes = true)
    {
        Command command = new(name, description);
        foreach (Symbol symbol in symbols)
        {
            if (symbol is Option option)
                command.Add(option);
            else
                command.Add((Argument)symbol);
        }

        command.Add(ApplyArguments.JournalFolder);
        command.SetAction(parsed =>
            LeaseRun.Run(parsed, (leases, machine, cancellation) => run(parsed, leases, machine, cancellation), changes));
        return command;
    }

    private static Command BuildAcquire() => Command(
        "acquire",
        "Lease instances. Prints the lease and the environment variables for a program. The lease outlives this command.",
        [.. ClaimArguments.All, Name, For, Pid],
        AcquireAsync);

    private static async Task<int> AcquireAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        ClaimRequest claim = ClaimArguments.Read(parsed, machine, parsed.GetValue(Name) ?? RequestChecks.NewName()) with
        {
            DurationSeconds = parsed.GetValue(For)?.TotalSeconds,
            ProcessId = parsed.GetValue(Pid),
        };
        LeaseEntry lease = await LeaseRun.ClaimAsync(
            leases, claim, ClaimArguments.ReadWait(parsed), machine.Json, cancellationToken);
        return await PrintAsync(machine, leases, lease, cancellationToken);
    }

    private static async Task<int> ListAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        StandDocument stand = await leases.ReadAsync(usage: true, cancellationToken);
        HashSet<string>? named = machine.NamesGpus ? [.. machine.Gpus().Select(g => g.Uuid)] : null;
        bool IsMeant(string gpu) => named?.Contains(gpu) != false;
        LeaseListDocument list = new(
            [.. stand.Leases.Where(l => l.Instances.Any(i => IsMeant(i.GpuUuid)))],
            stand.Waiting,
            [.. stand.Gpus.Where(g => IsMeant(g.Uuid))],
            null);
        if (machine.Json)
            Documents.Print(list);
        else
            LeaseView.ShowList(list);
        return ExitCodes.Success;
    }

    private static async Task<int> ShowAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        return Print(machine, await leases.ShowAsync(parsed.GetValue(Id)!, cancellationToken));
    }

    private static async Task<int> RenewAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        RenewRequest request = new()
        {
            DurationSeconds = parsed.GetValue(For)?.TotalSeconds,
            Generation = parsed.GetValue(Generation),
        };
        LeaseEntry lease = await leases.RenewAsync(parsed.GetValue(Id)!, request, cancellationToken);
        return await PrintAsync(machine, leases, lease, cancellationToken);
    }

    private static async Task<int> ReleaseAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        string[] ids = parsed.GetValue(Ids)!;
        if (ids.Length > 1 && parsed.GetValue(Generation) is not null)
            throw new UsageException("--generation is of one lease.");
        foreach (string id in ids)
            await leases.ReleaseAsync(id, parsed.GetValue(Generation), cancellationToken);
        StandDocument stand = await leases.ReadAsync(usage: machine.Json, cancellationToken);
        LeaseEntry[] left = [.. stand.Leases.Where(l => ids.Contains(l.Id))];
        if (machine.Json)
        {
            Documents.Print(new LeaseListDocument(left, [], [], null));
            return ExitCodes.Success;
        }

        foreach (string id in ids)
        {
            Terminal.WriteLine(Array.Exists(left, l => l.Id == id)
                ? $"{id} is released. Its instances are free once the processes on them have ended."
                : $"{id} is released.");
        }

        return ExitCodes.Success;
    }

    private static async Task<int> AdoptAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        if (!machine.NamesGpus || machine.Gpus() is not [var gpu])
            throw new UsageException("Name the GPU of the instance with -i.");
        AdoptRequest request = new()
        {
            GpuUuid = gpu.Uuid,
            GpuInstanceId = parsed.GetValue(GpuInstance),
            Id = parsed.GetValue(Name),
            Queue = parsed.GetValue(ClaimArguments.Queue)!,
            Uid = Caller.Uid,
            Label = parsed.GetValue(ClaimArguments.Label),
            DurationSeconds = parsed.GetValue(For)?.TotalSeconds,
            ProcessId = parsed.GetValue(Pid),
        };
        return await PrintAsync(machine, leases, await leases.AdoptAsync(request, cancellationToken), cancellationToken);
    }

    private static async Task<int> ClearAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        List<LeasedInstanceEntry> destroyed = [];
        string?[] gpus = machine.NamesGpus ? [.. machine.Gpus().Select(g => g.Uuid)] : [null];
        foreach (string? gpu in gpus)
            destroyed.AddRange(await leases.ClearAsync(gpu, cancellationToken));
        if (machine.Json)
        {
            Documents.Print(new ClearDocument(destroyed, null));
            return ExitCodes.Success;
        }

        foreach (LeasedInstanceEntry instance in destroyed)
            Terminal.WriteLine($"Destroyed {instance}.");
        if (destroyed.Count == 0)
            Terminal.WriteLine("There is nothing to clear.");
        return ExitCodes.Success;
    }

    /// <summary>Prints a lease with what uses it: it was granted or changed just now.</summary>
    private static async Task<int> PrintAsync(Machine machine, ILeases leases, LeaseEntry lease, CancellationToken cancellationToken)
    {
        try
        {
            return Print(machine, await leases.ShowAsync(lease.Id, cancellationToken));
        }
        catch (LeaseException e) when (e.Error == LeaseError.NotFound)
        {
            return Print(machine, lease); // It has ended since: its process has, for instance.
        }
    }

    private static int Print(Machine machine, LeaseEntry lease)
    {
        if (machine.Json)
            Documents.Print(new LeaseDocument(lease, null));
        else
            LeaseView.Show(lease);
        return ExitCodes.Success;
    }
}
