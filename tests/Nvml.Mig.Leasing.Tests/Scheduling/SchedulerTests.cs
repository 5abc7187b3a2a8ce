using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>Each rule by an example: a pool, what happens, what is decided.</summary>
public class SchedulerTests
{
    private static readonly LeaseQueue[] TwoQueues =
        [new("a") { Quota = new Slices(3, 4) }, new("b") { Quota = new Slices(4, 4) }];

    [Fact]
    public void A_cached_instance_comes_before_a_free_place()
    {
        World world = new(Boards.Pool(2), TwoQueues);
        world.Claim("first", "a", "1g.5gb");
        world.Step();
        world.Release(world.Leases[0]);
        world.Claim("second", "b", "1g.5gb");

        Decisions decisions = world.Step();

        decisions.Grants.Should().ContainSingle().Which.Instances.Should().ContainSingle().Which.IsCached.Should().BeTrue();
    }

    [Fact]
    public void Another_users_instance_is_made_anew()
    {
        World world = new(Boards.Pool(1), TwoQueues);
        Lease full = Grant(world, "full", "a", "7g.40gb");
        world.Release(full);
        world.Claims.Add(new Claim("other", "a", new LeaseOwner(2000), [InstanceRequest.Of("7g.40gb")]) { IsPreemptible = true });

        world.Step().Grants[0].ToString().Should()
            .Be("other: 7g.40gb at 0:8 of A100-0, created after destroying the cached at 0:8");
    }

    [Fact]
    public void The_smallest_profile_that_will_do_is_taken()
    {
        World world = new(Boards.Pool(1, 1), TwoQueues);
        world.Claims.Add(new Claim(
            "need", "a", new LeaseOwner(1000), [InstanceRequest.Of(new InstanceNeed { MemoryMiB = 10_000, Decoders = 1 })]));

        world.Step().Grants[0].Instances[0].Profile.Should().Be("2g.12gb", "2 memory slices of an A30 are fewer than 4 of an A100");
    }

    [Fact]
    public void A_gang_is_placed_whole_or_waits()
    {
        World world = new(Boards.Pool(1), TwoQueues);
        Grant(world, "small", "a", "1g.5gb");
        world.Claim("gang", "b", "3g.20gb", count: 2);

        Decisions decisions = world.Step();

        decisions.Grants.Should().BeEmpty();
        decisions.Waiting.Should().ContainSingle().Which.Reason.Should().Be(WaitReason.NoPlace);
    }

    [Fact]
    public void A_queue_claims_its_quota_back()
    {
        World world = new(Boards.Pool(1), TwoQueues);
        Grant(world, "old", "a", "3g.20gb");
        Grant(world, "young", "a", "4g.20gb");
        world.Claim("mine", "b", "4g.20gb");

        Decisions decisions = world.Step();

        decisions.Victims.Should().ContainSingle().Which.Message.Should()
            .Be("Queue b claims its share back for mine; queue a has more than its own (3 compute and 4 memory slices).");
        decisions.Waiting[0].Message.Should().Be("It gets 4g.20gb at 0:4 of A100-0 when what stands there has gone.");
        world.Step().Grants.Should().ContainSingle().Which.Claim.Id.Should().Be("mine");
    }

    [Fact]
    public void Nobody_reclaims_beyond_his_share()
    {
        World world = new(Boards.Pool(1), TwoQueues);
        Grant(world, "a1", "a", "3g.20gb");
        Grant(world, "b1", "b", "3g.20gb");
        world.Claim("a2", "a", "3g.20gb");

        Decisions decisions = world.Step();

        decisions.Victims.Should().BeEmpty();
        decisions.Waiting[0].Message.Should().Be(
            "There is no free place for 3g.20gb. Queue a would have 6 compute and 8 memory slices with it; "
            + "its fair share is 4 compute and 4 memory slices.");
    }

    [Fact]
    public void Higher_priority_takes_from_lower_in_the_same_queue()
    {
        World world = new(Boards.Pool(1), [new("a") { Quota = new Slices(7, 8) }]);
        Grant(world, "low", "a", "7g.40gb");
        world.Claim("high", "a", "7g.40gb", priority: 1);

        world.Step().Victims.Should().ContainSingle().Which.Reason.Should().Be(VictimReason.Preempt);
    }

    [Fact]
    public void Minimum_runtime_and_delay_protect()
    {
        World world = new(Boards.Pool(1), TwoQueues, new SchedulerOptions { VictimDelay = TimeSpan.FromMinutes(2) });
        world.Claims.Add(new Claim("old", "a", new LeaseOwner(1000), [InstanceRequest.Of("7g.40gb")])
        {
            Created = world.Now,
            IsPreemptible = true,
            MinimumRuntime = TimeSpan.FromMinutes(5),
        });
        world.Step();
        world.Claim("mine", "b", "4g.20gb");

        Decisions delayed = world.Step();
        world.Pass(TimeSpan.FromMinutes(2));
        Decisions isProtected = world.Step();
        world.Pass(TimeSpan.FromMinutes(3));

        delayed.NextTime.Should().Be(World.Start.AddMinutes(2));
        isProtected.Waiting[0].Reason.Should().Be(WaitReason.Protection);
        isProtected.NextTime.Should().Be(World.Start.AddMinutes(5));
        world.Step().Victims.Should().ContainSingle();
    }

    [Fact]
    public void Restartable_leases_make_room_by_moving()
    {
        World world = new(Boards.Pool(2), [new("a") { Quota = new Slices(14, 16) }]);
        foreach (string gpu in (string[])["A100-0", "A100-1"])
        {
            world.Claims.Add(new Claim($"on {gpu}", "a", new LeaseOwner(1000), [InstanceRequest.Of("1g.5gb")])
            {
                IsPreemptible = true,
                IsRestartable = true,
                Gpus = gpu == "A100-0" ? [gpu] : [],
                Models = ["A100"],
            });
        }

        Grant(world, "filler", "a", "7g.40gb");
        world.Release(world.Leases[^1]);
        Lease spread = world.Leases.Single(l => l.Id.StartsWith("on A100-1", StringComparison.Ordinal));
        world.Leases[world.Leases.IndexOf(spread)] = spread with { Instances = [new InstancePlace("A100-1", 19, new Placement(6, 1))] };
        World fresh = new(Boards.Pool(2), world.Queues);
        fresh.Leases.AddRange(world.Leases);
        fresh.Claim("large", "a", "7g.40gb");

        Decisions decisions = fresh.Step();

        decisions.Moves.Should().ContainSingle().Which.Message.Should().Be("It can be started again elsewhere, and large needs the room.");
        decisions.Victims.Should().BeEmpty();
        fresh.Step().Grants.Should().ContainSingle().Which.Claim.Id.Should().Be("large");
    }

    [Fact]
    public void What_is_reserved_is_kept_and_lent_until_then()
    {
        World world = new(Boards.Pool(1), [new("a") { Quota = new Slices(7, 8) }, new("b") { Quota = new Slices(0, 0) }]);
        world.Reservations.Add(
            new Reservation("course", World.Start.AddHours(1), World.Start.AddHours(2)) { Queue = "a", Profile = "7g.40gb" });
        world.Claim("for good", "a", "1g.5gb", preemptible: false);
        world.Claim("borrower", "b", "3g.20gb");

        Decisions before = world.Step();
        world.Pass(TimeSpan.FromHours(1));
        Decisions begun = world.Step();
        world.Claim("pupil", "a", "7g.40gb", preemptible: false);

        before.Grants.Should().ContainSingle().Which.Claim.Id.Should().Be("borrower");
        begun.Victims.Should().ContainSingle().Which.Message.Should().Be("Its room is reserved by course from 2026-01-01 01:00:00Z on.");
        world.Step().Grants.Should().ContainSingle().Which.Reservation.Should().Be("course");
    }

    [Theory]
    [InlineData("7g.80gb", WaitReason.NoSuchProfile, "No GPU that the claim allows has 7g.80gb.")]
    [InlineData(
        "4g.20gb", WaitReason.Limit, "Queue a would have 4 compute and 4 memory slices; its limit is 3 compute and 4 memory slices.")]
    [InlineData("3g.20gb", WaitReason.Quota, null)]
    public void Who_waits_is_told_why(string profile, WaitReason reason, string? message)
    {
        World world = new(Boards.Pool(1), [new("a") { Quota = new Slices(1, 1), Limit = new Slices(3, 4) }]);
        world.Claim("it", "a", profile, preemptible: false);

        Waiting waiting = world.Step().Waiting.Should().ContainSingle().Subject;

        waiting.Position.Should().Be(1);
        waiting.Reason.Should().Be(reason);
        if (message is not null)
            waiting.Message.Should().Be(message);
    }

    [Fact]
    public void A_lending_limit_keeps_quota_for_its_queue()
    {
        World world = new(
            Boards.Pool(1),
            [new("a") { Quota = new Slices(4, 4), LendingLimit = new Slices(0, 0) }, new("b") { Quota = new Slices(0, 0) }]);
        world.Claim("one", "b", "3g.20gb");
        world.Claim("more", "b", "1g.5gb");

        Decisions decisions = world.Step();

        decisions.Grants.Should().ContainSingle().Which.Claim.Id.Should().Be("more");
        decisions.Waiting.Should().ContainSingle().Which.Reason.Should().Be(WaitReason.LendingLimit);
    }

    [Fact]
    public void An_input_that_contradicts_itself_is_refused()
    {
        World world = new(Boards.Pool(1), TwoQueues);
        world.Claim("it", "nobody", "1g.5gb");

        world.Invoking(w => w.Decide()).Should().Throw<LeaseException>().WithMessage("There is no queue nobody.");
    }

    private static Lease Grant(World world, string id, string queue, string profile)
    {
        world.Claim(id, queue, profile);
        world.Step();
        return world.Leases.Single(l => l.Claim.Id == id);
    }
}
