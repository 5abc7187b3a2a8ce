using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;
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
        Func<ParseResult, LeaseManager, Machine, CancellationToken, Task<int>> run,
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
            LeaseRun.Run(parsed, (manager, machine, cancellation) => run(parsed, manager, machine, cancellation), changes));
        return command;
    }

    private static Command BuildAcquire() => Command(
        "acquire",
        "Lease instances. Prints the lease and the environment variables for a program. The lease outlives this command.",
        [.. ClaimArguments.All, Name, For, Pid],
        AcquireAsync);

    private static async Task<int> AcquireAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        Claim claim = ClaimArguments.Read(parsed, machine, parsed.GetValue(Name) ?? NewName());
        GrantedLease lease = await LeaseRun.ClaimAsync(
            manager, claim, ReadHold(parsed), ClaimArguments.ReadWait(parsed), machine.Json, cancellationToken);
        return Print(machine, lease);
    }

    private static async Task<int> ListAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        LeaseOverview overview = await manager.ReadAsync(cancellationToken);
        LeaseView view = new(machine);
        HashSet<string>? named = machine.NamesGpus ? [.. machine.Gpus().Select(g => g.Uuid)] : null;
        bool IsMeant(string gpu) => named?.Contains(gpu) != false;
        LeaseListDocument list = new(
            [.. overview.Leases.Where(l => l.Instances.Any(i => IsMeant(i.Place.Gpu))).Select(l => view.Read(l))],
            [.. overview.Waiting.Select(WaitingClaimEntry.From)],
            [.. overview.Gpus.Where(g => IsMeant(g.Uuid)).Select(g => new PoolGpuEntry(
                g.Index,
                g.Uuid,
                g.Model,
                g.Problem,
                [.. g.Idle.Select(i => view.Read(i))],
                [.. g.Foreign.Select(f => new ForeignEntry(f.ProfileId, f.Placement.Start, f.Placement.Size))]))],
            null);
        if (machine.Json)
            Documents.Print(list);
        else
            LeaseView.ShowList(list);
        return ExitCodes.Success;
    }

    private static async Task<int> ShowAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        string id = parsed.GetValue(Id)!;
        LeaseOverview overview = await manager.ReadAsync(cancellationToken);
        GrantedLease lease = overview.Leases.FirstOrDefault(l => l.Id == id)
            ?? throw new LeaseException(LeaseError.NotFound, overview.Waiting.FirstOrDefault(w => w.Claim.Id == id) is { } waiting
                ? $"{id} waits as number {waiting.Position}. {waiting.Message}"
                : $"There is no lease {id}.");
        return Print(machine, lease);
    }

    private static async Task<int> RenewAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken) =>
        Print(machine, await manager.RenewAsync(
            parsed.GetValue(Id)!, parsed.GetValue(For), parsed.GetValue(Generation), cancellationToken));

    private static async Task<int> ReleaseAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        string[] ids = parsed.GetValue(Ids)!;
        if (ids.Length > 1 && parsed.GetValue(Generation) is not null)
            throw new UsageException("--generation is of one lease.");
        foreach (string id in ids)
            await manager.ReleaseAsync(id, parsed.GetValue(Generation), cancellationToken);
        LeaseOverview overview = await manager.ReadAsync(cancellationToken);
        LeaseView view = new(machine);
        LeaseEntry[] left = [.. overview.Leases.Where(l => ids.Contains(l.Id)).Select(l => view.Read(l))];
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
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        if (!machine.NamesGpus || machine.Gpus() is not [var gpu])
            throw new UsageException("Name the GPU of the instance with -i.");
        GrantedLease lease = await manager.AdoptAsync(
            gpu.Uuid,
            parsed.GetValue(GpuInstance),
            parsed.GetValue(Name) ?? NewName(),
            parsed.GetValue(ClaimArguments.Queue)!,
            new LeaseOwner(Caller.Uid, parsed.GetValue(ClaimArguments.Label)),
            ReadHold(parsed),
            cancellationToken);
        return Print(machine, lease);
    }

    private static async Task<int> ClearAsync(
        ParseResult parsed, LeaseManager manager, Machine machine, CancellationToken cancellationToken)
    {
        List<LeasedInstance> destroyed = [];
        string?[] gpus = machine.NamesGpus ? [.. machine.Gpus().Select(g => g.Uuid)] : [null];
        foreach (string? gpu in gpus)
            destroyed.AddRange(await manager.ClearAsync(gpu, cancellationToken));
        if (machine.Json)
        {
            LeaseView view = new(machine);
            Documents.Print(new ClearDocument([.. destroyed.Select(i => view.Read(i))], null));
            return ExitCodes.Success;
        }

        foreach (LeasedInstance instance in destroyed)
            Terminal.WriteLine($"Destroyed {instance}.");
        if (destroyed.Count == 0)
            Terminal.WriteLine("There is nothing to clear.");
        return ExitCodes.Success;
    }

    private static int Print(Machine machine, GrantedLease lease)
    {
        LeaseEntry entry = new LeaseView(machine).Read(lease, withNodes: true);
        if (machine.Json)
            Documents.Print(new LeaseDocument(entry, null));
        else
            LeaseView.Show(entry);
        return ExitCodes.Success;
    }

    private static LeaseHold ReadHold(ParseResult parsed)
    {
        if (parsed.GetValue(Pid) is not { } pid)
            return new LeaseHold(Duration: parsed.GetValue(For));
        HostProcess process = HostProcess.Find(pid)
            ?? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"There is no process {pid}."));
        return new LeaseHold(process, parsed.GetValue(For));
    }

    private static string NewName() => $"lease-{Guid.NewGuid().ToString("N")[..8]}";
}
