using System.Globalization;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>
/// The losers and winners of room in the examples of KAI-Scheduler 0.13 that whole GPUs can express: pkg/scheduler/actions/reclaim,
/// reclaim_test.go, reclaimDepartments_test.go and reclaimGang_test.go. Numbers only. A GPU of theirs is a 7g.40gb here.
/// </summary>
public class KaiReclaimTests
{
    /// <summary>
    /// Queues: name, quota, weight, parent; departments have the weight 1. Jobs: name, queue, GPUs, the oldest first; ! is not preemptible,
    /// - of lower and + of higher priority. Expected: who is told to go, and who gets room.
    /// </summary>
    [Theory]
    [InlineData(
        "by fair share", 6, "d 1 1, a 1 1 d, b 1 1 d, c 2 0 d", "a0 a 1, a1 a 1, a2 a 1-, b0 b 1, b1 b 1, b2 b 1-", "c c 2", "a2 b2: c")]
    [InlineData("a gang from single jobs", 4, "a 0 0, b 2 1", "a0 a 1, a1 a 1, a2 a 1, a3 a 1", "b b 4", "a0 a1 a2 a3: b")]
    [InlineData("a gang from a gang", 4, "a 1 0, b 2 1", "a0 a 3, a1 a 1", "b b 3", "a0: b")]
    [InlineData("a gang from two queues", 4, "a 0 0, b 1 0, c 3 0", "a0 a 1, b0 b 1, a1 a 1, b1 b 1", "c c 3", "a0 a1 b1: c")]
    [InlineData("one of two that wait", 2, "a 1 1, b 1 1", "a0 a 1, a1 a 1", "b0 b 1, b1 b 1", "a1: b0")]
    [InlineData("not at fair shares", 2, "a 1 1, b 1 1", "a0 a 1, b0 b 1", "a1 a 1, b1 b 1", ":")]
    [InlineData("not what is not preemptible", 2, "a 1 1, b 1 1", "a0 a 1, a1 a 1!", "b0 b 1, b1 b 1", "a0: b0")]
    [InlineData("not within quota", 2, "a 2 2, b 2 2", "a0 a 1, a1 a 1", "b0 b 1, b1 b 1", ":")]
    [InlineData("a whole job for a part", 2, "a 1 1, b 1 1", "a0 a 2", "b0 b 1!+", "a0: b0")]
    [InlineData("not above quota for good", 2, "a 1 1, b 1 1", "a0 a 2", "b0 b 2!", ":")]
    [InlineData("not for good above quota", 4, "a 1 1, b 1 1", "a0 a 1!, b0 b 3", "a1 a 1!", ":")]
    [InlineData("nobody who is not preemptible", 1, "a 0 0, b 1 1", "a0 a 1!", "b0 b 1!", ":")]
    [InlineData("queues without claims do not count", 4, "a 1 1, b 1 1, c 1 1", "a0 a 1, a1 a 1, a2 a 1, b0 b 1", "b1 b 1", "a2: b1")]
    [InlineData("above the share, no remainder", 10, "a 2 1, b 2 2", "a0 a 8", "b0 b 6", "a0: b0")]
    [InlineData("within the share", 10, "a 2 1, b 2 2", "a0 a 4", "b0 b 7", ":")]
    [InlineData("above the share, with a remainder", 12, "a 2 1, b 2 2", "a0 a 10", "b0 b 7", "a0: b0")]
    [InlineData("not from a queue without end", 4, "a - 0, b 2 0", "a0 a 4!", "b0 b 2", ":")]
    [InlineData("between departments", 2, "d1 1 1, d2 1 1, a 1 0 d1, b 1 0 d2", "a0 a 1, a1 a 1!", "b0 b 1", "a0: b0")]
    [InlineData("between departments, for good", 2, "d1 1 1, d2 1 1, a 1 1 d1, b 1 1 d2", "a0 a 1, a1 a 1!", "b0 b 1!", "a0: b0")]
    [InlineData("not above a department's share", 4, "d1 2 1, d2 2 1, a 1 1 d1, b 1 1 d2, c 1 1 d2", "a0 a 3, b0 b 1!", "b1 b 2", ":")]
    [InlineData("only what is missing", 8, "d1 1 1, d2 1 1, a 1 1 d1, b 1 1 d2", "a0 a 4, a1 a 1", "b0 b 4", "a1: b0")]
    [InlineData("from two departments", 4, "d1 0 1, d2 4 1, a 1 1 d1, b 0 0 d2, c 4 4 d2", "a0 a 2, b0 b 2", "c0 c 4", "a0 b0: c0")]
    [InlineData("not between equal departments", 4, "d1 1 1, d2 1 1, a 3 3 d1, b 1 1 d2", "a0 a 2, b0 b 2", "a1 a 1", ":")]
    [InlineData("a department's quota for good", 4, "d1 1 1, d2 1 1, a 3 3 d1, b 3 3 d2", "a0 a 1!, b0 b 3", "a1 a 1!", ":")]
    [InlineData("a department below its share", 4, "d1 1 1, d2 1 1, a 1 1 d1, b 1 1 d2", "a0 a 1, b0 b 3", "a1 a 1", "b0: a1")]
    [InlineData("a gang beside free GPUs", 2, "a 0 0, b 2 2", "a0 a 1", "b0 b 2!", "a0: b0")]
    [InlineData("not for a part of a gang", 1, "a 0 0, b 2 2", "a0 a 1", "b0 b 2!", ":")]
    [InlineData("a whole gang for one", 2, "a 1 1, b 1 1", "a0 a 2", "b0 b 1", "a0: b0")]
    public void Kai_tells_the_same_to_go(string _, int gpus, string queues, string running, string pending, string expected) =>
        Decide(gpus, queues, running, pending).Should().Be(expected);

    private static string Decide(int gpus, string queues, string running, string pending)
    {
        World world = new(Boards.Pool(gpus), [.. queues.Split(", ").Select((text, i) => Queue(text.Split(' '), i))]);
        int next = 0;
        foreach (string[] job in running.Split(", ").Select(j => j.Split(' ')))
        {
            Claim claim = NewClaim(world, job);
            InstancePlace[] places = [.. Enumerable.Range(next, claim.InstanceCount)
                .Select(gpu => new InstancePlace(world.Gpus[gpu].Id, 0, new Placement(0, 8)))];
            world.Leases.Add(new Lease(claim.Id, claim, places, world.Now.AddHours(-1).AddMinutes(next)));
            next += places.Length;
        }

        world.Claims.AddRange(
            pending.Split(", ").Select((job, i) => NewClaim(world, job.Split(' ')) with { Created = world.Now.AddTicks(i) }));
        Decisions decisions = world.Decide();
        IEnumerable<string> served = decisions.Grants.Select(g => g.Claim.Id)
            .Concat(decisions.Waiting.Where(w => w.Reason == WaitReason.Departure).Select(w => w.Claim.Id));
        return $"{string.Join(' ', decisions.Victims.Select(v => v.Lease.Id).Order())}: {string.Join(' ', served.Order())}".TrimEnd();
    }

    private static LeaseQueue Queue(string[] words, int age) => new(words[0])
    {
        Quota = words[1] == "-" ? null : new Slices(7 * Number(words[1]), 8 * Number(words[1])),
        Weight = Number(words[2]),
        Parent = words.Length > 3 ? words[3] : null,
        Created = World.Start.AddMinutes(age),
    };

    private static Claim NewClaim(World world, string[] job) =>
        new(job[0], job[1], new LeaseOwner(1000), [InstanceRequest.Of("7g.40gb", Number(job[2].TrimEnd('!', '-', '+')))])
        {
            Created = world.Now,
            IsPreemptible = !job[2].Contains('!', StringComparison.Ordinal),
            Priority = job[2].Contains('+', StringComparison.Ordinal) ? 1 : job[2].Contains('-', StringComparison.Ordinal) ? -1 : 0,
        };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
