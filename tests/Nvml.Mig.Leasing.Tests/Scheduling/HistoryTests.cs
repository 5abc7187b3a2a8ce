using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>What holds after every decision, whatever happened before.</summary>
public class HistoryTests
{
    private static readonly Config Config = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Cases(400, 100_000)).WithEndSize(60);

    [Fact]
    public void Every_decision_keeps_the_rules() => Check.One(Config, Prop.ForAll(History.Any, KeepsTheRules));

    /// <summary>Its lease would count for one, and the other would want its room again. One random history of 98,760 showed it.</summary>
    [Fact]
    public void A_gang_does_not_use_two_reservations() => KeepsTheRules(new History(
        1969652134,
        [
            new(15, 63183, 811078, 858596), new(15, 659720, 910798, 807104), new(3, 876835, 694653, 821254),
            new(13, 100386, 335718, 144664), new(8, 279932, 969591, 208470),
        ]));

    /// <summary>Slices kept of a limit are nobody's yet: no lease of that queue is one too many. One of 41,355 showed it.</summary>
    [Fact]
    public void What_is_kept_counts_for_nobody() => KeepsTheRules(new History(
        1279927590,
        [new(7, 88859, 917756, 606031), new(4, 111687, 684744, 823398), new(13, 1000161, 227945, 913288), new(2, 983540, 21839, 921119)]));

    private static bool KeepsTheRules(History history)
    {
        World world = history.Begin();
        HashSet<string> kept = [];
        for (int i = 0; i < history.Events.Length; i++)
        {
            History.Happen(world, history.Events[i], i);
            foreach (Lease gone in world.Leases.Where(l => l.IsEnding).ToArray())
                world.Release(gone);
            if (history.Events[i].What == 15)
                RefuseWhatCannotBeKept(world);
            SchedulerInput input = world.Input;
            Decisions decisions = world.Decide();
            Rules.Check(world, input, decisions);
            world.Do(decisions);
            Rules.CheckWorld(world);
            Rules.CheckReservations(world, decisions, kept);
            if (i % 4 == 0)
                Rules.CheckOrder(world, input, decisions, history.Seed + i);
        }

        return true;
    }

    [Fact]
    public void With_victims_back_in_their_queues_it_comes_to_rest() => Check.One(Config, Prop.ForAll(History.Any, ComesToRest));

    /// <summary>
    /// Two claims that others have gone for: the place that is best for the small one, alone, leaves none for the large one. One random
    /// history of 85,876 showed it.
    /// </summary>
    [Fact]
    public void Two_promises_do_not_take_each_others_room() => ComesToRest(new History(
        2113228292,
        [
            new(3, 798626, 225747, 932452), new(2, 356146, 178780, 305471), new(2, 872728, 467002, 262898),
            new(7, 177589, 514366, 380952), new(2, 441041, 990411, 382839), new(4, 467428, 136248, 67410),
            new(3, 172910, 325954, 339939), new(2, 190473, 977424, 122926), new(6, 283707, 514431, 663050),
            new(13, 829825, 900331, 69333), new(5, 995021, 505845, 284400), new(4, 290147, 668463, 313407),
            new(6, 904310, 70690, 81747), new(14, 689289, 644373, 1021562), new(3, 961799, 888254, 375112),
            new(0, 252078, 959854, 547701), new(13, 782258, 376519, 375068), new(10, 799671, 517935, 796904),
            new(14, 312697, 257321, 711166), new(9, 856379, 658906, 367067), new(2, 123305, 420511, 115752),
            new(2, 634119, 37057, 357049), new(6, 80706, 611202, 24354)
        ]));

    /// <summary>
    /// Room is kept where a lease stands that reaches beyond it. Nobody tells that lease to go, so no other claim is to wait for it. One
    /// random history of 55,066 showed it.
    /// </summary>
    [Fact]
    public void Nobody_waits_for_a_lease_that_room_is_kept_behind() => ComesToRest(new History(
        753200526, [new(4, 454610, 746044, 1013132), new(6, 765808, 890476, 874237), new(5, 92466, 306583, 542033)]));

    /// <summary>
    /// A queue takes its quota back where room is kept, too. One random history of 47,380 showed it.
    /// </summary>
    [Fact]
    public void A_quota_goes_before_room_that_is_kept() => ComesToRest(new History(
        1205570849,
        [
            new(5, 888919, 265127, 910699), new(0, 1005163, 1008985, 238640), new(6, 812226, 433357, 74596),
            new(3, 373854, 641256, 844026), new(8, 279822, 319050, 481942),
        ]));

    private static bool ComesToRest(History history)
    {
        World world = history.Begin(requeues: true);
        for (int i = 0; i < history.Events.Length; i++)
        {
            if (history.Events[i].What == 15)
                continue;
            History.Happen(world, history.Events[i], i);
            if (i % 3 == 0)
                world.Step();
        }

        world.Settle();
        world.Pass(TimeSpan.FromHours(1)); // what was granted until then is past its minimum runtime
        Decisions last = world.Settle();
        Rules.CheckQuotas(world, last);
        return true;
    }

    /// <summary>A reservation that there is no room for when it is made is refused, as the store does.</summary>
    private static void RefuseWhatCannotBeKept(World world)
    {
        if (world.Decide().Reservations.Any(r => r.Missing > 0))
            world.Reservations.RemoveAt(world.Reservations.Count - 1);
    }
}
