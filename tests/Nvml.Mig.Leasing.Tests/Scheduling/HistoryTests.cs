using FsCheck;
using FsCheck.Fluent;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>What holds after every decision, whatever happened before.</summary>
public class HistoryTests
{
    private static readonly Config Config = Config.QuickThrowOnFailure.WithMaxTest(LongTests.Cases(400, 100_000)).WithEndSize(60);

    [Fact]
    public void Every_decision_keeps_the_rules() => Check.One(Config, Prop.ForAll(History.Any, history =>
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
    }));

    [Fact]
    public void With_victims_back_in_their_queues_it_comes_to_rest() => Check.One(Config, Prop.ForAll(History.Any, history =>
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
    }));

    /// <summary>A reservation that there is no room for when it is made is refused, as the store does.</summary>
    private static void RefuseWhatCannotBeKept(World world)
    {
        if (world.Decide().Reservations.Any(r => r.Missing > 0))
            world.Reservations.RemoveAt(world.Reservations.Count - 1);
    }
}
