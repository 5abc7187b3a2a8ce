using BenchmarkDotNet.Attributes;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Benchmarks.Planning;

/// <summary>One plan for one GPU, and the question whether there is one.</summary>
public class PlanBenchmarks
{
    private readonly LayoutSpec _layout = LayoutSpec.Parse("9,14,19*2");
    private readonly LayoutSpec _whole = LayoutSpec.Parse("0");
    private readonly LayoutSpec _change = LayoutSpec.Parse("+9");
    private readonly LayoutSpec _exchange = LayoutSpec.Parse("-GI11,-GI12,+14");
    private GpuSnapshot _full = null!;

    [Params("A100-SXM4-40GB", "H200-SXM")]
    public string Model { get; set; } = "";

    /// <summary>Seven GPU instances of one slice, each with its compute instance, two of them in use.</summary>
    [GlobalSetup]
    public void FillTheGpu()
    {
        GpuGeometry geometry = Geometries.Simulated(Model);
        ProfileGeometry small = geometry.GetProfile("19");
        _full = GpuSnapshot.Of(geometry, small.Placements.Select((place, i) => new GpuInstanceSnapshot(small.Profile, place)
        {
            Id = 7 + i,
            ComputeInstances =
            [
                new ComputeInstanceSnapshot(small.ComputeProfiles![0].Profile, small.ComputeProfiles[0].Placements[0])
                {
                    Id = 0, MigUuid = $"MIG-{i}", IsInUse = i is 0 or 1,
                },
            ],
        }));
        if (!Possible() || Plan() is null || PlanForChange() is null)
            throw new InvalidOperationException("This is to measure plans, not refusals.");
    }

    [Benchmark(Baseline = true)]
    public bool Possible() => Planner.CanPlan(_full, _layout);

    [Benchmark]
    public bool NotPossible() => Planner.CanPlan(_full, _whole);

    [Benchmark]
    public GpuPlan? Plan() => Planner.TryPlan(_full, _layout, out GpuPlan? plan, out _) ? plan : null;

    /// <summary>Everything goes but the two in use, which may.</summary>
    [Benchmark]
    public GpuPlan? PlanForAll() =>
        Planner.TryPlan(_full, _whole, out GpuPlan? plan, out _, new PlanOptions { AllowInUse = [7, 8] }) ? plan : null;

    /// <summary>A small instance goes, and others that stand in the way of a larger one move.</summary>
    [Benchmark]
    public GpuPlan? PlanForChange() => Planner.TryPlan(_full, _exchange, out GpuPlan? plan, out _) ? plan : null;

    [Benchmark]
    public PlanRefusal? Refusal() => Planner.TryPlan(_full, _change, out _, out PlanRefusal? refusal) ? null : refusal;
}
