using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Planning;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>What the scheduler says can stand together is what the planner says.</summary>
public class BoardTests
{
    [Fact]
    public void Every_model_allows_what_the_planner_allows()
    {
        string[] models = [.. NvmlSimulator.Models.Where(m => m is { IsSimulated: true, HasMig: true }).Select(m => m.Key)];
        models.Should().HaveCountGreaterThan(5);
        foreach (string model in models)
            Compare(model);
    }

    /// <summary>GPUs filled at random: at each point every place of every profile is asked about.</summary>
    private static void Compare(string model)
    {
        GpuGeometry geometry = Read(model);
        Board board = new(geometry, 0);
        Random random = new(1);
        for (int round = 0; round < LongTests.Cases(5, 200); round++)
        {
            View view = board.ViewOf(0, new byte[board.Kinds.Length]);
            string spec = "";
            while (true)
            {
                List<(int Kind, int Run)> open = [];
                foreach (Kind kind in board.Kinds)
                {
                    for (int run = 0; run < kind.RunMasks.Length; run++)
                    {
                        if ((view.Mask & kind.RunMasks[run]) != 0)
                            continue; // the planner calls that a contradiction
                        bool allowed = view.Allows(kind.Index);
                        string more = $"{spec}{(spec.Length > 0 ? "," : "")}{kind.Profile.Id}:{kind.Places[run].Start}/none";
                        bool planned = Planner.CanPlan(GpuSnapshot.Empty(geometry), LayoutSpec.Parse(more));
                        allowed.Should().Be(planned, $"{model}: {more}");
                        if (allowed)
                            open.Add((kind.Index, run));
                    }
                }

                if (open.Count == 0)
                    break;
                (int next, int at) = open[random.Next(open.Count)];
                spec += $"{(spec.Length > 0 ? "," : "")}{board.Kinds[next].Profile.Id}:{board.Kinds[next].Places[at].Start}/none";
                view = view.With(next, at);
            }
        }
    }

    private static GpuGeometry Read(string model)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(model);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        return session.Devices[0].ReadGeometry();
    }
}
