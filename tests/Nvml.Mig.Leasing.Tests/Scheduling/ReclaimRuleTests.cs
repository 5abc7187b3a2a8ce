using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>
/// The tables of KAI-Scheduler 0.17 for who may reclaim, in our two resources. A queue is written as quota, fair share, allocated, and what
/// of that is not preemptible; where KAI has three resources, two of them with the same meaning.
/// </summary>
public class ReclaimRuleTests
{
    [Theory]
    [InlineData("nothing allocated, below the share", 0, 2, 0, 0, 1, true, true)]
    [InlineData("something allocated, below the share", 0, 3, 1, 0, 1, true, true)]
    [InlineData("exactly the share with it", 0, 2, 1, 0, 1, true, true)]
    [InlineData("above the share with it", 0, 1, 1, 0, 1, true, false)]
    [InlineData("above the share without it", 0, 0, 1, 0, 1, true, false)]
    [InlineData("not preemptible, below the quota", 2, 2, 0, 0, 1, false, true)]
    [InlineData("not preemptible, exactly the quota", 1, 2, 0, 0, 1, false, true)]
    [InlineData("not preemptible, above the quota", 0, 2, 0, 0, 1, false, false)]
    [InlineData("not preemptible, some before, below the quota", 3, 3, 1, 1, 1, false, true)]
    [InlineData("not preemptible, some preemptible before, no quota", 0, 3, 1, 0, 1, false, false)]
    public void Kai_lets_the_same_reclaim(
        string _, long quota, long fair, long allocated, long fixedPart, long claim, bool isPreemptible, bool expected)
    {
        QueueNode root = new(new LeaseQueue(""), null);
        QueueNode queue = new(new LeaseQueue("q") { Quota = new Slices(quota, quota) }, root)
        {
            Fair = new Slices(fair, fair),
            Allocated = new Slices(allocated, allocated),
            NonPreemptible = new Slices(fixedPart, fixedPart),
        };

        ReclaimRule.MayReclaim(queue, new Slices(claim, claim), isPreemptible).Should().Be(expected);
    }

    [Theory]
    [InlineData("above its share", 2, 3, 4, 0, 3, 0, true)]
    [InlineData("at its share, and the claimant within his quota", 2, 3, 3, 1, 1, 0, true)]
    [InlineData("at its share, and the claimant above his quota", 2, 3, 3, 0, 1, 0, false)]
    [InlineData("at its quota", 3, 3, 3, 4, 4, 0, false)]
    [InlineData("below its quota", 3, 3, 2, 4, 4, 0, false)]
    public void A_queue_loses_only_above_its_share_or_quota(
        string _, long quota, long fair, long allocated, long ourQuota, long ourFair, long ourAllocated, bool expected)
    {
        QueueNode root = new(new LeaseQueue(""), null);
        QueueNode theirs = Node("theirs", root, quota, fair, allocated);
        QueueNode ours = Node("ours", root, ourQuota, ourFair, ourAllocated);

        ReclaimRule.MayLose(theirs, ours, new Slices(1, 1)).Should().Be(expected);
    }

    /// <summary>
    /// Chosen otherwise than KAI: the comparison is between the departments, but a team at or below its quota loses nothing either way.
    /// </summary>
    [Fact]
    public void A_team_within_its_quota_is_safe_in_a_large_department()
    {
        QueueNode root = new(new LeaseQueue(""), null);
        QueueNode department = Node("department", root, 4, 4, 6);
        QueueNode within = Node("within", department, 2, 2, 2);
        QueueNode above = Node("above", department, 2, 2, 4);
        QueueNode other = Node("other", root, 4, 4, 0);

        ReclaimRule.MayLose(within, other, new Slices(1, 1)).Should().BeFalse();
        ReclaimRule.MayLose(above, other, new Slices(1, 1)).Should().BeTrue();
    }

    [Fact]
    public void Preempting_does_not_lift_a_queue_above_its_share()
    {
        QueueNode root = new(new LeaseQueue(""), null);
        QueueNode queue = Node("q", root, 1, 5, 1);

        ReclaimRule.MayPreempt(queue, new Slices(4, 4), lost: new Slices(2, 2)).Should().BeTrue();
        ReclaimRule.MayPreempt(queue, new Slices(5, 5), lost: new Slices(4, 4)).Should().BeFalse();
    }

    private static QueueNode Node(string name, QueueNode parent, long quota, long fair, long allocated)
    {
        QueueNode node = new(new LeaseQueue(name) { Quota = new Slices(quota, quota) }, parent)
        {
            Fair = new Slices(fair, fair),
            Allocated = new Slices(allocated, allocated),
        };
        parent.Children.Add(node);
        return node;
    }
}
