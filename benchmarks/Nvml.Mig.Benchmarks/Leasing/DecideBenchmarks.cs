using BenchmarkDotNet.Attributes;
using Nvml.Mig.Benchmarks.Planning;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Benchmarks.Leasing;

/// <summary>
/// One decision over pools of A100 that are nearly full of leases, with cached instances between them, four queues in two departments, and
/// claims of all sizes that wait: single ones and gangs, preemptible and not.
/// </summary>
public class DecideBenchmarks
{
    private static readonly string[] Profiles =
        ["1g.5gb", "1g.5gb", "1g.5gb", "1g.5gb", "2g.10gb", "2g.10gb", "3g.20gb", "3g.20gb", "4g.20gb", "7g.40gb"];

    private static readonly string[] Leaves = ["a", "b", "c", "d"];
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private readonly Scheduler _scheduler = new();
    private SchedulerInput _input = null!;

    public enum Pools
    {
        Gpus8Waiting100,
        Gpus100Waiting100,
        Gpus1000Waiting1000,
        Gpus10000Waiting1000,
    }

    [ParamsAllValues]
    public Pools Pool { get; set; }

    [GlobalSetup]
    public void Fill()
    {
        (int gpus, int waiting) = Pool switch
        {
            Pools.Gpus8Waiting100 => (8, 100),
            Pools.Gpus100Waiting100 => (100, 100),
            Pools.Gpus1000Waiting1000 => (1000, 1000),
            _ => (10_000, 1000),
        };
        GpuGeometry geometry = Geometries.Simulated("A100-SXM4-40GB");
        LeasableGpu[] pool = [.. Enumerable.Range(0, gpus).Select(i => new LeasableGpu($"GPU-{i:D5}", geometry, "A100"))];
        Slices quota = new(gpus, gpus);
        LeaseQueue[] queues =
        [
            new("north") { Quota = quota + quota }, new("south") { Quota = quota + quota },
            .. Leaves.Select((name, i) => new LeaseQueue(name) { Parent = i < 2 ? "north" : "south", Quota = quota, Weight = i + 1 }),
        ];
        Random random = new(1);

        // Queue a claims more than all, before the others come: all of it is above its share.
        Claim[] first = [.. Enumerable.Range(0, gpus * 4).Select(i => NewClaim(random, $"f{i:D6}", i % 5 == 0 ? "c" : "a", 10))];
        Decisions filled = _scheduler.Decide(new SchedulerInput(Now.AddHours(-1), pool, queues, first, []));
        List<Lease> leases = [];
        Dictionary<string, List<CachedInstance>> cached = [];
        foreach (Grant grant in filled.Grants)
        {
            if (random.Next(20) > 0)
            {
                leases.Add(new Lease(grant.Claim.Id, grant.Claim, [.. grant.Instances.Select(i => i.Place)], Now.AddHours(-1)));
                continue;
            }

            foreach (GrantedInstance instance in grant.Instances)
            {
                if (!cached.TryGetValue(instance.Place.Gpu, out List<CachedInstance>? there))
                    cached[instance.Place.Gpu] = there = [];
                there.Add(new CachedInstance(instance.Place, 1000));
            }
        }

        pool = [.. pool.Select(g => g with { Cached = cached.TryGetValue(g.Id, out List<CachedInstance>? there) ? there : [] })];
        Claim[] claims = [.. Enumerable.Range(0, waiting).Select(i => NewClaim(random, $"w{i:D6}", Leaves[random.Next(4)], 3))];
        _input = new SchedulerInput(Now, pool, queues, claims, leases);
    }

    [Benchmark]
    public int Decide() => _scheduler.Decide(_input).Waiting.Count;

    private static Claim NewClaim(Random random, string id, string queue, int oneInNotPreemptible) =>
        new(
            id,
            queue,
            new LeaseOwner((uint)(1000 + random.Next(3))),
            [InstanceRequest.Of(Profiles[random.Next(Profiles.Length)], random.Next(10) == 0 ? 2 : 1)])
        {
            Created = Now.AddMinutes(-random.Next(50)),
            Priority = random.Next(3),
            IsPreemptible = random.Next(oneInNotPreemptible) != 0,
            IsRestartable = random.Next(4) == 0,
        };
}
