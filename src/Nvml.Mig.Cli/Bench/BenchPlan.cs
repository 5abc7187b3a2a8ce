using System.Globalization;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Bench;

/// <summary>The measurements on a GPU, derived from its profiles.</summary>
internal sealed class BenchPlan
{
    private BenchPlan(IReadOnlyList<(GpuInstanceProfile Profile, Placement Placement)> places, IReadOnlyList<BenchLayout> layouts)
    {
        Places = places;
        Layouts = layouts;
    }

    /// <summary>Each GPU instance profile at its first, middle and last placement.</summary>
    public IReadOnlyList<(GpuInstanceProfile Profile, Placement Placement)> Places { get; }

    /// <summary>Whole layouts.</summary>
    public IReadOnlyList<BenchLayout> Layouts { get; }

    /// <summary>The number of GPU instances that one repetition creates.</summary>
    public int InstanceCount => Places.Count + Layouts.Sum(layout => layout.Places.Count);

    public static BenchPlan For(GpuDevice gpu)
    {
        GpuSnapshot empty = GpuSnapshot.Empty(gpu.ReadGeometry());
        if (empty.Geometry.Profiles.Count == 0)
        {
            throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported,
                "nvmlDeviceGetGpuInstanceProfileInfoV",
                $"The driver reports no GPU instance profile for {gpu}.");
        }

        BenchLayout[] layouts = [Full("smallest", empty, [Plain(empty)[0]]), Full("balanced", empty, Balanced(empty))];
        return new BenchPlan(
            [.. empty.Geometry.Profiles.SelectMany(p => FirstMiddleLast(p.Placements).Select(place => (p.Profile, place)))],
            [.. layouts.DistinctBy(layout => layout.Name, StringComparer.Ordinal)]);
    }

    private static IEnumerable<Placement> FirstMiddleLast(IReadOnlyList<Placement> places) =>
        places.Count == 0 ? [] : ((Placement[])[places[0], places[(places.Count - 1) / 2], places[^1]]).Distinct();

    /// <summary>The plain profile of each number of compute slices: the least memory, then the lowest number. Small ones first.</summary>
    private static GpuInstanceProfile[] Plain(GpuSnapshot empty) =>
        [.. empty.Geometry.Profiles
            .Select(p => p.Profile)
            .GroupBy(p => p.SliceCount)
            .Select(alike => alike.OrderBy(p => p.MemoryMiB).ThenBy(p => p.Number).First())];

    /// <summary>One of each size that leaves at least half of the GPU, large ones first, and the rest in the smallest pieces.</summary>
    private static GpuInstanceProfile[] Balanced(GpuSnapshot empty)
    {
        GpuInstanceProfile[] plain = Plain(empty);
        return [.. plain.Where(p => 2 * p.SliceCount <= plain[^1].SliceCount).Reverse(), plain[0]];
    }

    /// <summary>One of each if there is room for it, and of the last as many as there is room for.</summary>
    private static BenchLayout Full(string kind, GpuSnapshot empty, GpuInstanceProfile[] profiles)
    {
        List<GpuInstanceProfile> chosen = [];
        foreach (GpuInstanceProfile profile in profiles.SkipLast(1).Where(Fits))
            chosen.Add(profile);
        while (Fits(profiles[^1]))
            chosen.Add(profiles[^1]);
        return Planner.TryPlan(empty, ToSpec(chosen), out GpuPlan? plan, out _)
            ? new BenchLayout(
                kind,
                NameOf(chosen),
                [.. plan.Steps.Where(s => s.Kind == LayoutStepKind.CreateGpuInstance)
                    .Select(s => (s.GpuInstance!.Profile, s.GpuInstance.Placement))])
            : throw new InvalidOperationException($"{NameOf(chosen)} was planned before and cannot be planned now.");

        bool Fits(GpuInstanceProfile more) => Planner.CanPlan(empty, ToSpec([.. chosen, more]));
    }

    private static LayoutSpec ToSpec(IEnumerable<GpuInstanceProfile> profiles) =>
        new(
            profiles.GroupBy(p => p.Id)
                .Select(same => new InstanceSpec(same.Key.ToString(CultureInfo.InvariantCulture)) { Count = same.Count() }));

    private static string NameOf(IEnumerable<GpuInstanceProfile> profiles) =>
        string.Join(',', profiles
            .GroupBy(p => p.Name, StringComparer.Ordinal)
            .Select(same => same.Count() == 1 ? same.Key : string.Create(CultureInfo.InvariantCulture, $"{same.Key}*{same.Count()}")));
}

/// <summary>A whole layout: the kind, its instances as text, and their placements in an order that works.</summary>
internal sealed record BenchLayout(string Kind, string Name, IReadOnlyList<(GpuInstanceProfile Profile, Placement Placement)> Places);
