using System.Text.Json.Serialization;

namespace Nvml.Mig;

/// <summary>
/// The MIG mode and the instances of a GPU, read at one time (<c>GpuDevice.ReadSnapshot</c>), or as they are to be. The planner starts from
/// it, and the result of a plan or an apply is one too.
/// </summary>
/// <param name="Mode">The MIG mode.</param>
/// <param name="Instances">The GPU instances, in any order.</param>
/// <remarks>An object can be used by any number of threads.</remarks>
public sealed record GpuSnapshot(MigMode Mode, IReadOnlyList<GpuInstanceSnapshot> Instances)
{
    /// <summary>The GPU instances, by start.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Instances { get; init => field = ByStart(value); } = ByStart(Instances);

    /// <summary>How the GPU can be divided; empty if that was not read.</summary>
    [JsonIgnore]
    public GpuGeometry Geometry { get; init; } = GpuGeometry.Empty;

    /// <summary>Describes a GPU with MIG enabled and no instances.</summary>
    /// <param name="geometry">The kind of GPU.</param>
    public static GpuSnapshot Empty(GpuGeometry geometry) => new(new MigMode(true, true), []) { Geometry = geometry };

    /// <summary>Describes a GPU with MIG enabled and these instances.</summary>
    /// <param name="geometry">The kind of GPU.</param>
    /// <param name="instances">The GPU instances, in any order.</param>
    public static GpuSnapshot Of(GpuGeometry geometry, params IEnumerable<GpuInstanceSnapshot> instances) =>
        Empty(geometry) with { Instances = [.. instances] };

    /// <summary>Finds the GPU instance with an id.</summary>
    /// <param name="id">The id.</param>
    /// <exception cref="PlanningException">There is none.</exception>
    public GpuInstanceSnapshot GetInstance(int id) => Instances[IndexOf(id)];

    /// <summary>
    /// Compares values, lists included. For whether one is what the other asks for, see <see cref="GetDifferencesFrom"/>.
    /// </summary>
    /// <param name="other">Another one.</param>
    public bool Equals(GpuSnapshot? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Mode == other.Mode && Instances.SequenceEqual(other.Instances) && Geometry.Equals(other.Geometry));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Mode, Instances.Count, Instances.Count > 0 ? Instances[0] : null);

    /// <summary>The text of a spec that gives exactly these instances, with all placements: <c>3g.20gb:4,1g.5gb:0/none</c>.</summary>
    public override string ToString() => LayoutSpec.For(this).ToString();

    /// <summary>Lists in what this layout differs from a goal, each difference as a sentence.</summary>
    /// <param name="goal">The goal. Anything that it leaves open does not count.</param>
    public IReadOnlyList<string> GetDifferencesFrom(GpuSnapshot goal)
    {
        ArgumentNullException.ThrowIfNull(goal);
        List<string> differences = [];
        if (Mode != goal.Mode)
            differences.Add($"MIG mode is {Mode}, not {goal.Mode}.");
        foreach (GpuInstanceSnapshot missing in goal.Instances.Where(w => !Instances.Any(w.IsAt)))
            differences.Add($"{missing} is missing.");
        foreach (GpuInstanceSnapshot there in Instances)
        {
            if (goal.Instances.FirstOrDefault(there.IsAt) is { } same)
                AddDifferencesInside(differences, there, same);
            else
                differences.Add($"{there} is there and should not be.");
        }

        return differences;
    }

    internal int IndexOf(int id)
    {
        for (int i = 0; i < Instances.Count; i++)
        {
            if (Instances[i].Id == id)
                return i;
        }

        throw new PlanningException(
            PlanningError.UnknownInstance,
            $"GPU instance {id}",
            $"There is no GPU instance {id}. There {(Instances.Count == 0 ? "is none" : "are " + string.Join(", ", Instances))}.");
    }

    internal GpuInstanceSnapshot? Find(GpuInstanceSnapshot like) => Instances.FirstOrDefault(like.IsAt);

    /// <summary>Pairs the compute instances of a GPU instance with those that are to be there, the most exactly described first.</summary>
    internal static ComputeInstanceMatch Match(IReadOnlyList<ComputeInstanceSnapshot> there, IReadOnlyList<ComputeInstanceSnapshot> goal)
    {
        List<ComputeInstanceSnapshot> left = [.. there];
        List<(ComputeInstanceSnapshot, ComputeInstanceSnapshot)> same = [];
        List<ComputeInstanceSnapshot> missing = [];
        foreach (ComputeInstanceSnapshot one in goal.OrderBy(w => (w.Placement is null ? 1 : 0) + (w.Profile is null ? 1 : 0)))
        {
            if (left.Find(one.Describes) is { } found)
            {
                left.Remove(found);
                same.Add((found, one));
            }
            else
            {
                missing.Add(one);
            }
        }

        return new ComputeInstanceMatch(same, left, missing);
    }

    private static void AddDifferencesInside(List<string> differences, GpuInstanceSnapshot there, GpuInstanceSnapshot goal)
    {
        ComputeInstanceMatch match = Match(there.ComputeInstances, goal.ComputeInstances);
        foreach (ComputeInstanceSnapshot absent in match.Missing)
            differences.Add($"{Capital(absent)} of {there} is missing.");
        foreach (ComputeInstanceSnapshot odd in match.Extra)
            differences.Add($"{Capital(odd)} of {there} is there and should not be.");
        foreach ((ComputeInstanceSnapshot present, ComputeInstanceSnapshot meant) in match.Same)
        {
            if (meant.Id is { } id && present.Id != id)
                differences.Add($"{Capital(present)} of {there} should have the id {id}.");
            if (meant.MigUuid is { } uuid && present.MigUuid is { } other && other != uuid)
                differences.Add($"{Capital(present)} of {there} is MIG device {other}, not {uuid}.");
        }
    }

    private static string Capital(ComputeInstanceSnapshot instance) => "C" + instance.ToString()[1..];

    private static IReadOnlyList<GpuInstanceSnapshot> ByStart(IReadOnlyList<GpuInstanceSnapshot> instances) =>
        instances.Count == 0 ? [] : [.. instances.OrderBy(i => i?.Placement.Start)];
}

/// <summary>Compute instances that are there, paired with those that are to be there.</summary>
internal readonly record struct ComputeInstanceMatch(
    IReadOnlyList<(ComputeInstanceSnapshot There, ComputeInstanceSnapshot Goal)> Same,
    IReadOnlyList<ComputeInstanceSnapshot> Extra,
    IReadOnlyList<ComputeInstanceSnapshot> Missing);
