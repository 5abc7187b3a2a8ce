using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>The division of one resource among siblings.</summary>
public class FairShareTests
{
    private static readonly Config Config = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Cases(5_000, 1_000_000));

    private static Arbitrary<(int Total, Share[] Queues)> Cases { get; } = Arb.From(
        from total in Gen.Choose(0, 100)
        from queues in Gen.ArrayOf(
            from quota in Gen.Frequency((4, Gen.Choose(0, 30).Select(q => (long)q)), (1, Gen.Constant(long.MaxValue)))
            from requested in Gen.Choose(0, 60)
            from withheld in Gen.Frequency((4, Gen.Constant(0)), (1, Gen.Choose(0, 20)))
            from weight in Gen.Choose(0, 5)
            from priority in Gen.Choose(0, 2)
            select new Share
            {
                Quota = quota,
                Requestable = requested,
                Withheld = Math.Min(withheld, quota),
                Weight = weight,
                Priority = priority,
            })
        select (total, queues));

    [Fact]
    public void It_is_that_of_the_slow_reference() => Check.One(Config, Prop.ForAll(Cases, c =>
        Divide(c.Total, c.Queues).SequenceEqual(SlowFairShare.Divide(c.Total, c.Queues))));

    [Fact]
    public void Nobody_gets_less_than_its_quota_or_more_than_asked() => Check.One(Config, Prop.ForAll(Cases, c =>
        Divide(c.Total, c.Queues).Zip(c.Queues)
            .All(r => r.First >= Math.Min(r.Second.Quota, r.Second.Requestable) && r.First <= r.Second.Requestable)));

    [Fact]
    public void No_more_than_there_is_goes_above_the_quotas() => Check.One(Config, Prop.ForAll(Cases, c =>
        Divide(c.Total, c.Queues).Sum() <= Math.Max(c.Total, c.Queues.Sum(q => Math.Min(q.Quota, q.Requestable)))));

    [Fact]
    public void Nothing_is_left_while_somebody_wants_more() => Check.One(Config, Prop.ForAll(Cases, c =>
    {
        long[] fair = Divide(c.Total, c.Queues);
        long taken = fair.Zip(c.Queues).Sum(r => Math.Max(r.First, r.Second.Withheld));
        return taken >= c.Total
            || fair.Zip(c.Queues).All(r => r.First == r.Second.Requestable || r.Second.Weight == 0 || r.First < r.Second.Withheld);
    }));

    /// <summary>
    /// The numbers that KAI-Scheduler 0.17 publishes: its guides, its design of priorities, and the tables of its tests. Quota, weight,
    /// priority, request, share; oldest first.
    /// </summary>
    [Theory]
    [InlineData("surplus by priority, then by weight", 10, "2 2 2 10 4", "2 1 2 10 3", "3 1 1 10 3")]
    [InlineData("more than is asked for", 15, "2 2 0 6 6", "2 2 0 6 6")]
    [InlineData("exactly what is asked for", 12, "2 2 0 6 6", "2 2 0 6 6")]
    [InlineData("by weight", 8, "2 1 0 6 3", "2 3 0 6 5")]
    [InlineData("a limit of 5", 12, "2 2 0 5 5", "2 2 0 6 6")]
    [InlineData("the largest remainder", 11, "2 1 0 10 3", "2 4 0 10 8")]
    [InlineData("the older of equals", 11, "2 2 0 6 6", "2 2 0 6 5")]
    [InlineData("priority does not touch quotas", 4, "2 2 1 6 2", "2 2 2 6 2")]
    [InlineData("priority above quotas", 6, "2 2 1 6 2", "2 2 2 6 4")]
    [InlineData("priority before weight", 6, "2 100 1 6 2", "2 1 2 6 4")]
    [InlineData("remainders among priorities", 5, "2 2 2 5 3", "2 2 2 5 2", "1 2 1 0 0")]
    [InlineData("no quota and no weight", 10_000, "5000 5000 0 10000 10000", "0 0 0 5000 0")]
    [InlineData("quotas beyond the total", 10_000, "5000 5000 0 5000 5000", "5000 5000 0 5000 5000", "5000 5000 0 5000 5000")]
    [InlineData("what others do not ask for", 10_000, "5000 5000 0 7000 6000", "5000 5000 0 2000 2000", "5000 5000 0 2000 2000")]
    [InlineData("all that is asked for", 18_000, "5000 5000 0 6000 6000", "5000 5000 0 6000 6000", "5000 5000 0 6000 6000")]
    public void Kai_divides_the_same(string _, long total, params string[] queues) => DivideTable(total, queues);

    /// <summary>
    /// Chosen otherwise. KAI can be told to serve priorities before quotas: its first example gives 60, 40 and 0, here quotas always come
    /// first. Its queues of weight 0 get a third round there; here they never get more than their quota.
    /// </summary>
    [Theory]
    [InlineData(100, "20 0 100 70 20", "30 2 100 40 40", "30 1 50 50 40")]
    [InlineData(120, "20 0 100 70 20", "30 2 100 40 40", "30 1 50 50 50")]
    public void Quotas_come_before_priorities_always(long total, params string[] queues) => DivideTable(total, queues);

    /// <summary>
    /// KAI's last step can give a unit to a queue that asks for no more. Here it never goes beyond the request or the limit.
    /// </summary>
    [Fact]
    public void A_remainder_is_never_more_than_asked_for() => DivideTable(10, ["0 1 0 3 3", "0 1 0 3 3", "0 1 0 9 4"]);

    private static void DivideTable(long total, string[] queues)
    {
        long[][] rows = [.. queues.Select(q => q.Split(' ').Select(long.Parse).ToArray())];
        Divide(total, [.. rows.Select(r => new Share { Quota = r[0], Weight = (int)r[1], Priority = (int)r[2], Requestable = r[3] })])
            .Should().Equal(rows.Select(r => r[4]));
    }

    private static long[] Divide(long total, Share[] queues)
    {
        Share[] copy = [.. queues];
        FairShare.Divide(total, copy);
        return [.. copy.Select(q => q.Fair)];
    }
}
