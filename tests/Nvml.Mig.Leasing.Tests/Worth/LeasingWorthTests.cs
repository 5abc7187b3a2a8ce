using Nvml.Mig.Benchmarks.LeasingWorth;
using Nvml.Mig.Planning;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Leasing.Tests.Worth;

/// <summary>The simulation behind the numbers in docs/leases.md runs, on one machine. It throws where instances overlap.</summary>
public class LeasingWorthTests
{
    private const int Gpus = Division.GpusOfMachine;

    private static readonly Lazy<GpuGeometry> Geometry = new(() =>
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H100-SXM5-80GB");
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        return session.Devices[0].ReadGeometry();
    });

    [Fact]
    public void All_jobs_finish_by_leases()
    {
        foreach (Division division in Division.All(Gpus, Geometry.Value).Where(d => !d.IsFixed))
            Run(division, seed: 1, jobs: 100).Finished.Should().Be(100, division.Name);
    }

    [Fact]
    public void The_same_seed_gives_the_same_outcome()
    {
        foreach (Division division in Division.All(Gpus, Geometry.Value))
        {
            Outcome outcome = Run(division, seed: 2, jobs: 30);
            Run(division, seed: 2, jobs: 30).Should().Be(outcome);
            Run(division, seed: 3, jobs: 30).Should().NotBe(outcome);
        }
    }

    [Fact]
    public void A_fixed_layout_is_one_that_the_GPU_can_have()
    {
        foreach (Division division in Division.All(Gpus, Geometry.Value).Where(d => d.IsFixed))
        {
            division.Layouts!.Sum(l => l.Gpus).Should().Be(Gpus, division.Name);
            foreach ((string layout, _) in division.Layouts!)
                Planner.CanPlan(GpuSnapshot.Empty(Geometry.Value), LayoutSpec.Parse(layout)).Should().BeTrue(layout);
        }
    }

    private static Outcome Run(Division division, int seed, int jobs) => Site.Run(
        JobStream.Create(seed, jobs, 1.1, new Sizes(Geometry.Value), 8 * Gpus), division, Gpus, Geometry.Value);
}
