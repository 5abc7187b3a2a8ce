using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>A large claim among small ones that come and go all the time.</summary>
public class KeepRoomTests
{
    private static readonly LeaseQueue[] OneQueue = [new("a") { Quota = new Slices(28, 32) }];

    [Fact]
    public void A_large_claim_is_served_in_the_end()
    {
        World world = new(Boards.Pool(1), OneQueue, new SchedulerOptions { KeepRoomAfter = TimeSpan.FromMinutes(5) });
        int served = Churn(world, "7g.40gb", 1, TimeSpan.FromHours(1));

        served.Should().BeInRange(5, 20, "minutes: room is kept from the fifth on, and each small lease lasts seven");
    }

    [Fact]
    public void So_is_a_gang()
    {
        World world = new(Boards.Pool(4), OneQueue, new SchedulerOptions { KeepRoomAfter = TimeSpan.FromMinutes(5) });
        int served = Churn(world, "7g.40gb", 2, TimeSpan.FromHours(2));

        served.Should().BeInRange(5, 20);
    }

    [Fact]
    public void Without_it_small_ones_pass_without_end()
    {
        World world = new(Boards.Pool(1), OneQueue);

        Churn(world, "7g.40gb", 1, TimeSpan.FromHours(5)).Should().Be(-1);
    }

    [Fact]
    public void It_says_what_is_kept()
    {
        World world = new(Boards.Pool(1), OneQueue, new SchedulerOptions { KeepRoomAfter = TimeSpan.FromMinutes(5) });
        Step(world, "small-1", "1g.5gb");
        world.Claim("large", "a", "7g.40gb", preemptible: false);
        Decisions early = world.Step();
        world.Pass(TimeSpan.FromMinutes(5));
        world.Claim("small-2", "a", "1g.5gb", preemptible: false);

        Decisions decisions = world.Step();

        early.NextTime.Should().Be(World.Start.AddMinutes(5));
        decisions.Grants.Should().BeEmpty();
        decisions.Waiting[0].Message.Should().EndWith(
            "It has waited for long: 7g.40gb at 0:8 of A100-0 is kept for it when what stands there has gone.");
    }

    [Fact]
    public void Others_get_what_it_cannot_use()
    {
        World world = new(Boards.Pool(2), OneQueue, new SchedulerOptions { KeepRoomAfter = TimeSpan.FromMinutes(5) });
        Step(world, "small-1", "1g.5gb");
        Step(world, "medium", "4g.20gb");
        Step(world, "medium-2", "4g.20gb");
        world.Claim("large", "a", "7g.40gb", preemptible: false);
        world.Step();
        world.Pass(TimeSpan.FromMinutes(5));
        world.Claim("small-2", "a", "1g.5gb", preemptible: false);

        Grant granted = world.Step().Grants.Should().ContainSingle().Subject;

        granted.Claim.Id.Should().Be("small-2");
        granted.Instances[0].Place.Gpu.Should().Be("A100-0", "room is kept on the GPU with the fewest slices leased");
    }

    /// <summary>
    /// Each minute the oldest small lease ends and another small claim comes, on GPUs that are full of them. Returns after how many minutes
    /// the large one is served; -1: never.
    /// </summary>
    private static int Churn(World world, string profile, int count, TimeSpan length)
    {
        int small = 0;
        int slots = 7 * world.Gpus.Count;
        for (; small < slots; small++)
            Step(world, $"small-{small}", "1g.5gb");
        world.Claim("large", "a", profile, count, preemptible: false);
        for (int minute = 0; minute < length.TotalMinutes; minute++)
        {
            for (int i = 0; i < world.Gpus.Count; i++)
            {
                if (world.Leases.Count > 0)
                    world.Release(world.Leases[0]);
                world.Claim($"small-{small++}", "a", "1g.5gb", preemptible: false);
            }

            if (world.Step().Grants.Any(g => g.Claim.Id == "large"))
                return minute;
            world.Pass(TimeSpan.FromMinutes(1));
        }

        return -1;
    }

    private static void Step(World world, string id, string profile)
    {
        world.Claim(id, "a", profile, preemptible: false);
        world.Step().Grants.Should().ContainSingle();
    }
}
