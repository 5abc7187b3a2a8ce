using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Reservations;

/// <summary><c>nvmig reservation</c>: keeps room for an owner or a queue, from one time to another.</summary>
internal static class ReservationCommand
{
    private static readonly Argument<string> Id = new("id") { Description = "The name of the reservation." };

    private static readonly Option<string> Profile = new("--profile", "-p")
    {
        Description = "The profile of the instances, such as 1g.10gb.",
        HelpName = "PROFILE",
        Required = true,
    };

    private static readonly Option<int> Count = new("--count", "-n")
    {
        Description = "How many of them. By default 1.",
        HelpName = "N",
        DefaultValueFactory = _ => 1,
    };

    private static readonly Option<string?> Queue = new("--queue", "-q") { Description = "The queue that it is for.", HelpName = "QUEUE" };

    private static readonly Option<uint?> User = new("--user") { Description = "The user that it is for, by number.", HelpName = "UID" };

    private static readonly Option<string?> Model = new("--model")
    {
        Description = "The model of GPU; by default any.",
        HelpName = "MODEL",
    };

    private static readonly Option<DateTimeOffset?> Start = new("--start")
    {
        Description = "From when, such as 2027-01-31T08:00; by default now.",
        HelpName = "TIME",
    };

    private static readonly Option<DateTimeOffset?> End = new("--end") { Description = "Until when.", HelpName = "TIME" };

    private static readonly Option<TimeSpan?> For = Durations.Option("--for", "How long, instead of --end.");

    private static readonly Option<bool> Lendable = new("--lendable")
    {
        Description = "Preemptible leases without a minimum runtime can have the room while its owner does not use it.",
    };

    public static Command Build() => new("reservation", "Room that is kept for a user or a queue.")
    {
        LeaseCommand.Command(
            "add",
            "Keep room. It is refused if there is no room for all of it.",
            [Id, Profile, Count, Queue, User, Model, Start, End, For, Lendable],
            AddAsync),
        LeaseCommand.Command("list", "List the reservations, and what is kept for them.", [], ListAsync, changes: false),
        LeaseCommand.Command("delete", "Delete a reservation. Leases that use it stay.", [Id], DeleteAsync),
    };

    private static async Task<int> AddAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        string? queue = parsed.GetValue(Queue);
        uint? user = parsed.GetValue(User);
        if ((queue is null) == (user is null))
            throw new UsageException("Name whom it is for with --queue or --user.");
        DateTimeOffset start = parsed.GetValue(Start) ?? DateTimeOffset.UtcNow;
        if ((parsed.GetValue(End) is null) == (parsed.GetValue(For) is null))
            throw new UsageException("Name how long with --end or --for.");
        DateTimeOffset end = parsed.GetValue(End) ?? start + parsed.GetValue(For)!.Value;
        if (end <= start)
            throw new UsageException("It ends before it begins.");
        await leases.AddReservationAsync(
            new ReservationRequest
            {
                Id = parsed.GetValue(Id)!,
                Start = start,
                End = end,
                Queue = queue,
                Uid = user,
                Profile = parsed.GetValue(Profile)!,
                Count = parsed.GetValue(Count),
                Model = parsed.GetValue(Model),
                Lendable = parsed.GetValue(Lendable),
            },
            cancellationToken);
        return Print(machine, await leases.ReadAsync(usage: false, cancellationToken));
    }

    private static async Task<int> ListAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken) =>
        Print(machine, await leases.ReadAsync(usage: false, cancellationToken));

    private static async Task<int> DeleteAsync(
        ParseResult parsed, ILeases leases, Machine machine, CancellationToken cancellationToken)
    {
        await leases.DeleteReservationAsync(parsed.GetValue(Id)!, cancellationToken);
        return Print(machine, await leases.ReadAsync(usage: false, cancellationToken));
    }

    private static int Print(Machine machine, StandDocument stand)
    {
        IReadOnlyList<ReservationEntry> reservations = stand.Reservations;
        if (machine.Json)
        {
            Documents.Print(new ReservationsDocument(reservations, null));
            return ExitCodes.Success;
        }

        if (reservations.Count == 0)
        {
            Terminal.WriteLine("No reservations.");
            return ExitCodes.Success;
        }

        TextTable table = new("Reservation", "For", "Instances", "From", "Until", ">Kept", ">Used", ">Missing", "Lent");
        foreach (ReservationEntry r in reservations)
        {
            table.Add(
                r.Id,
                r.Queue is { } queue ? $"queue {queue}" : new LeaseOwner(r.Uid!.Value, r.Label).ToString(),
                string.Create(CultureInfo.InvariantCulture, $"{r.Profile}*{r.Count}"),
                string.Create(CultureInfo.InvariantCulture, $"{r.Start:u}"),
                string.Create(CultureInfo.InvariantCulture, $"{r.End:u}"),
                r.Kept.Count.ToString(CultureInfo.InvariantCulture),
                r.Used.ToString(CultureInfo.InvariantCulture),
                r.Missing.ToString(CultureInfo.InvariantCulture),
                r.Lendable ? "yes" : "no");
        }

        Terminal.Write(table);
        return ExitCodes.Success;
    }
}
