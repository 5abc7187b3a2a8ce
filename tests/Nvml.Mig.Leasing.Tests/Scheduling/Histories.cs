using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>What happens to a pool: numbers that are made into claims, releases, time and reservations.</summary>
internal sealed record Event(int What, int A, int B, int C);

/// <summary>A pool, queues, and what happens.</summary>
internal sealed record History(int Seed, Event[] Events)
{
    private static readonly string[] Leaves = ["a", "b", "c", "e"];
    private static readonly string[] Profiles =
    [
        "1g.5gb", "1g.5gb", "1g.5gb", "2g.10gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb", "1g.5gb+me", "1g.6gb", "2g.12gb", "4g.24gb",
    ];

    public override string ToString() =>
        $"new History({Seed}, [{string.Join(", ", Events.Select(e => $"new({e.What}, {e.A}, {e.B}, {e.C})"))}])";

    public static Arbitrary<History> Any { get; } = Arb.From(
        from seed in Gen.Choose(0, int.MaxValue)
        from events in Gen.ArrayOf(
            from what in Gen.Choose(0, 15)
            from a in Gen.Choose(0, 1 << 20)
            from b in Gen.Choose(0, 1 << 20)
            from c in Gen.Choose(0, 1 << 20)
            select new Event(what, a, b, c))
        select new History(seed, events),
        Shorter);

    private static IEnumerable<History> Shorter(History history)
    {
        for (int part = history.Events.Length / 2; part > 0; part /= 2)
        {
            for (int from = 0; from + part <= history.Events.Length; from += part)
                yield return history with { Events = [.. history.Events[..from], .. history.Events[(from + part)..]] };
        }
    }

    public World Begin(bool requeues = false)
    {
        Random random = new(Seed);
        int a100 = random.Next(1, 4), a30 = random.Next(0, 3);
        List<LeasableGpu> gpus = [.. Boards.Pool(a100, a30)];
        if (random.Next(4) == 0)
            gpus[0] = gpus[0] with { Untouchable = [new InstancePlace(gpus[0].Id, 14, new Placement(2, 2))] };
        int compute = (7 * a100) + (4 * a30) - 2, memory = (8 * a100) + (4 * a30) - 2;
        Slices Part(int parts) => new(random.Next(0, (compute / parts) + 1), random.Next(0, (memory / parts) + 1));
        Slices qa = Part(6), qb = Part(6), qc = Part(4), qe = Part(4);
        Slices extra = Part(8);
        LeaseQueue[] queues =
        [
            Queue("d1", null, qa + qb + extra), Queue("d2", null, qc), Queue("e", null, qe),
            Queue("a", "d1", qa), Queue("b", "d1", qb), Queue("c", "d2", qc),
        ];
        SchedulerOptions options = new()
        {
            ReuseAcrossUsers = random.Next(2) == 0,
            VictimDelay = TimeSpan.FromMinutes(random.Next(3) == 0 ? 3 : 0),
            Notice = TimeSpan.FromMinutes(random.Next(2)),
            KeepRoomAfter = random.Next(2) == 0 ? TimeSpan.FromMinutes(random.Next(6)) : null,
        };
        return new World(gpus, queues, options, requeues);

        LeaseQueue Queue(string name, string? parent, Slices quota) => new(name)
        {
            Parent = parent,
            Quota = quota,
            Limit = random.Next(4) == 0 ? quota + new Slices(random.Next(8), random.Next(8)) : null,
            LendingLimit = random.Next(8) == 0 ? new Slices(quota.Compute / 2, quota.Memory / 2) : null,
            Weight = random.Next(0, 4),
            Priority = random.Next(0, 2),
            Created = World.Start.AddMinutes(-random.Next(0, 3)),
        };
    }

    /// <summary>Lets one event happen.</summary>
    public static void Happen(World world, Event e, int number)
    {
        switch (e.What)
        {
            case <= 8:
                world.Claims.Add(new Claim($"c{number}", Leaves[e.A % 4], new LeaseOwner((uint)(1000 + (e.A / 4 % 3))), Requests(e))
                {
                    Created = world.Now,
                    Priority = e.B % 3,
                    IsPreemptible = e.B / 3 % 3 != 0,
                    IsRestartable = e.B / 9 % 3 == 0,
                    MinimumRuntime = TimeSpan.FromMinutes(e.B / 27 % 4 == 0 ? 5 : 0),
                    Models = e.B / 108 % 6 == 0 ? ["A100"] : [],
                    Gpus = e.B / 648 % 8 == 0 ? [world.Gpus[e.C % world.Gpus.Count].Id] : [],
                });
                break;
            case <= 11 when world.Leases.Exists(l => !l.IsEnding):
                Lease[] standing = [.. world.Leases.Where(l => !l.IsEnding)];
                world.Release(standing[e.A % standing.Length]);
                break;
            case 12 or 13:
                world.Pass(TimeSpan.FromMinutes(1 + (e.A % 10)));
                break;
            case 14 when world.Claims.Count > 0:
                world.Claims.RemoveAt(e.A % world.Claims.Count);
                break;
            case 15:
                DateTimeOffset start = world.Now.AddMinutes(e.A % 20);
                world.Reservations.Add(new Reservation($"r{number}", start, start.AddMinutes(10 + (e.A / 20 % 30)))
                {
                    Queue = e.B % 2 == 0 ? Leaves[e.B / 2 % 4] : null,
                    Owner = e.B % 2 == 1 ? new LeaseOwner((uint)(1000 + (e.B / 2 % 3))) : null,
                    Profile = Profiles[e.C % Profiles.Length],
                    Count = 1 + (e.C / Profiles.Length % 2),
                    IsLendable = e.B / 8 % 2 == 0,
                });
                break;
        }
    }

    private static InstanceRequest[] Requests(Event e)
    {
        InstanceRequest one = (e.C & 7) == 0
            ? InstanceRequest.Of(new InstanceNeed { MemoryMiB = 4000 + (e.C / 8 % 3 * 7000), Decoders = e.C / 24 % 2 })
            : InstanceRequest.Of(Profiles[e.C / 8 % Profiles.Length], e.C / 128 % 4 == 0 ? 2 : 1);
        return e.C / 512 % 8 == 0 ? [one, InstanceRequest.Of("1g.5gb")] : [one];
    }
}
