using BenchmarkDotNet.Attributes;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Benchmarks.Planning;

/// <summary>Plans for a GPU of 32 units and 12 profiles, full of instances.</summary>
public class LargeGpuBenchmarks
{
    private readonly LayoutSpec _many = LayoutSpec.Parse("1g.4gb*5,1g.4gb+me*4,2g.8gb*3,2g.8gb+me*2,4g.16gb,4g.16gb+me");
    private readonly LayoutSpec _few = LayoutSpec.Parse("16g.64gb,8g.32gb+me,4g.16gb");
    private GpuSnapshot _full = null!;

    [GlobalSetup]
    public void FillTheGpu()
    {
        GpuGeometry geometry = Geometries.Large();
        int at = 0;
        List<GpuInstanceSnapshot> instances = [];
        const string names = "1g.4gb,1g.4gb+me,2g.8gb,1g.4gb,1g.4gb+me,2g.8gb+me,4g.16gb,4g.16gb+me,8g.32gb,"
            + "1g.4gb,1g.4gb,2g.8gb,2g.8gb+me,1g.4gb+me,1g.4gb";
        foreach (string name in names.Split(','))
        {
            ProfileGeometry profile = geometry.GetProfile(name);
            Placement place = profile.Placements.First(p => p.Start >= at);
            instances.Add(new GpuInstanceSnapshot(profile.Profile, place) { Id = instances.Count });
            at = place.End;
        }

        _full = GpuSnapshot.Of(geometry, instances);
        if (Few() is null || Many() is null)
            throw new InvalidOperationException("This is to measure plans, not refusals.");
    }

    [Benchmark(Baseline = true)]
    public GpuPlan? Few() => Planner.TryPlan(_full, _few, out GpuPlan? plan, out _) ? plan : null;

    [Benchmark]
    public GpuPlan? Many() => Planner.TryPlan(_full, _many, out GpuPlan? plan, out _) ? plan : null;
}
