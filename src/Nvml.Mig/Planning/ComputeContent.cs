using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>
/// The compute instances that are wanted inside GPU instances of one profile. Two contents that want the same are equal, however the spec
/// said it.
/// </summary>
internal sealed class ComputeContent : IEquatable<ComputeContent>
{
    /// <summary>The compute instance profiles that NVML knows (nvml.h, NVML_COMPUTE_INSTANCE_PROFILE_*): none has 5 slices.</summary>
    private static readonly int[] Sizes = [1, 2, 3, 4, 6, 7, 8];

    private ComputeContent(RowSlot[] slots, bool isWhole, bool isAssumed)
    {
        Slots = slots;
        IsWhole = isWhole;
        IsAssumed = isAssumed;
        Key = isWhole ? "whole" : (isAssumed ? "assumed " : "") + string.Join('/', slots.Select(s => s.Key));
        Total = slots.Sum(s => s.Count);
    }

    /// <summary>The content as text, to compare and to sort by.</summary>
    public string Key { get; }

    /// <summary>
    /// The compute instances, in terms of the compute geometry; where that is not known, numbers of compute slices take the place of kinds.
    /// </summary>
    public RowSlot[] Slots { get; }

    /// <summary>One compute instance that takes the whole GPU instance.</summary>
    public bool IsWhole { get; }

    /// <summary>Whether the compute geometry is not known.</summary>
    public bool IsAssumed { get; }

    /// <summary>Compute instances.</summary>
    public int Total { get; }

    public static ComputeContent From(IReadOnlyList<ComputeInstanceSpec>? asked, GeometryTables geometry, int kind, string culprit)
    {
        ProfileGeometry profile = geometry.Profiles[kind];
        ComputeTables? compute = geometry.Compute[kind];
        if (asked is null)
            return geometry.Whole(kind);
        RowSlot[] slots = [.. asked.Select(w => compute is null
            ? new RowSlot(AssumedSlices(w.Profile, profile, culprit), 1, w.Start ?? -1)
            : new RowSlot(compute.IndexOf(w.Profile), 1, w.Start is { } start ? UnitOf(compute, w, start, profile, culprit) : -1))];
        CheckStarts(asked, slots, compute, profile, culprit);
        return From(slots, geometry, kind);
    }

    /// <summary>The content with these slots, each of one instance; with starts, they are created in this order.</summary>
    public static ComputeContent From(RowSlot[] slots, GeometryTables geometry, int kind)
    {
        ComputeTables? compute = geometry.Compute[kind];
        if (slots is [{ Count: 1 } only])
        {
            bool isWhole = compute is null
                ? only.Start <= 0 && only.Kind == geometry.Profiles[kind].Profile.SliceCount
                : only.Kind == compute.Default && (only.Start < 0 || compute.Row.Shapes[compute.Row.ShapeOf[only.Kind]].Length == 1);
            if (isWhole)
                return geometry.Whole(kind);
        }

        // Slots with starts come first, as they were given: the driver numbers compute instances as they come.
        return new ComputeContent(
            [
                .. slots.Where(s => s.Start >= 0),
                .. slots.Where(s => s.Start < 0).GroupBy(s => s.Kind).OrderByDescending(g => g.Key)
                .Select(g => new RowSlot(g.Key, g.Sum(s => s.Count))),
            ],
            isWhole: false,
            isAssumed: compute is null);
    }

    /// <summary>Whether it fits into an empty GPU instance.</summary>
    public bool Fits(GeometryTables geometry, int kind, out string? why)
    {
        why = null;
        GpuInstanceProfile profile = geometry.Profiles[kind].Profile;
        if (IsWhole)
        {
            if (geometry.Compute[kind] is { Default: < 0 })
                why = $"{profile} has no compute instance profiles.";
            return why is null;
        }

        if (geometry.Compute[kind] is not { } compute)
        {
            int slices = Slots.Sum(s => s.Kind * s.Count);
            if (slices > profile.SliceCount)
                why = $"{slices} compute slices are wanted in a {profile}, which has {profile.SliceCount}.";
            return why is null;
        }

        foreach (RowSlot slot in Slots)
        {
            ComputeInstanceProfile inside = compute.Profiles[slot.Kind].Profile;
            int count = Slots.Where(s => s.Kind == slot.Kind).Sum(s => s.Count);
            if (count > inside.MaxInstances)
            {
                why = $"{count} compute instances {inside} are wanted in one {profile}; {inside.MaxInstances} can be.";
                return false;
            }
        }

        Span<RowChoice> chosen = stackalloc RowChoice[compute.Row.Length];
        if (RowSolver.Solve(compute.Row, Slots, [], [], [], chosen, out _) < 0)
            why = $"The compute instances wanted in one {profile} do not fit beside each other.";
        return why is null;
    }

    public bool Equals(ComputeContent? other) => other is not null && Key == other.Key;

    public override bool Equals(object? obj) => Equals(obj as ComputeContent);

    public override int GetHashCode() => Key.GetHashCode(StringComparison.Ordinal);

    /// <summary>One compute instance that takes the whole: <see cref="GeometryTables.Whole"/> keeps it.</summary>
    public static ComputeContent Whole(GeometryTables geometry, int kind) =>
        geometry.Compute[kind] is { } compute
            ? new ComputeContent(compute.Default >= 0 ? [new RowSlot(compute.Default, 1)] : [], isWhole: true, isAssumed: false)
            : new ComputeContent([new RowSlot(geometry.Profiles[kind].Profile.SliceCount, 1)], isWhole: true, isAssumed: true);

    private static int AssumedSlices(string text, ProfileGeometry profile, string culprit)
    {
        int slices = ProfileMatch.SlicesOf(profile.Profile, text) ?? 0;
        int[] sizes = [.. Sizes.Where(size => size <= profile.Profile.SliceCount)];
        return sizes.Contains(slices)
            ? slices
            : throw new PlanningException(
                PlanningError.UnknownProfile,
                culprit,
                $"'{text}' in '{culprit}' cannot be planned: NVML shows the compute instance profiles of {profile.Profile} only when "
                    + $"there is one. Write {string.Join(", ", sizes.Select(size => $"{size}c"))}.");
    }

    /// <summary>No two of them may want the same compute slices, and none may want slices that are not there.</summary>
    private static void CheckStarts(
        IReadOnlyList<ComputeInstanceSpec> asked, RowSlot[] slots, ComputeTables? compute, ProfileGeometry profile, string culprit)
    {
        uint taken = 0;
        for (int i = 0; i < slots.Length; i++)
        {
            if (slots[i].Start < 0)
                continue;

            int start = slots[i].Start;
            int size = compute is null
                ? slots[i].Kind
                : compute.Row.Shapes[compute.Row.ShapeOf[slots[i].Kind]].First(run => run.Start == start).Size;
            if (compute is null && start + size > profile.Profile.SliceCount)
            {
                throw new PlanningException(
                    PlanningError.InvalidPlacement,
                    culprit,
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"In '{culprit}', {asked[i].Profile} cannot start at compute slice {start} of a {profile.Profile}, which has "
                            + $"{profile.Profile.SliceCount}."));
            }

            uint mask = new Run((byte)start, (byte)size).Mask;
            if ((taken & mask) != 0)
            {
                throw new PlanningException(
                    PlanningError.Overlap, culprit, $"In '{culprit}', {asked[i]} wants compute slices that another one wants too.");
            }

            taken |= mask;
        }
    }

    private static int UnitOf(ComputeTables compute, ComputeInstanceSpec spec, int start, ProfileGeometry profile, string culprit)
    {
        ComputeProfileGeometry wanted = compute.Profiles[compute.IndexOf(spec.Profile)];
        Placement? place = wanted.Placements.Where(p => p.Start == start).Select(p => (Placement?)p).FirstOrDefault();
        return place is { } found
            ? compute.Row.ToRun(found).Start
            : throw new PlanningException(
                PlanningError.InvalidPlacement,
                culprit,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"In '{culprit}', {wanted.Profile} cannot start at compute slice {start} of a {profile.Profile}. It can at "
                        + $"{string.Join(", ", wanted.Placements.Select(p => p.Start))}."));
    }
}
