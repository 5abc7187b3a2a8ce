using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>A compute instance in the state of a GPU.</summary>
/// <param name="Profile">Its profile.</param>
/// <param name="Placement">The compute slices of its GPU instance that it has.</param>
public sealed record ComputeInstanceState(ComputeInstanceProfile Profile, Placement Placement)
{
    /// <summary>The id within the GPU instance; null for one that is only planned.</summary>
    public int? Id { get; init; }

    /// <summary>The UUID of its MIG device; null if that is not known, as for one that is only planned.</summary>
    public string? MigUuid { get; init; }

    /// <summary>Whether anybody uses it, known by name or not. It is then kept as it is.</summary>
    public bool IsInUse { get; init; }

    /// <summary>Who uses it, as far as that is known.</summary>
    public IReadOnlyList<GpuProcess> Users { get; init; } = [];
}

/// <summary>A GPU instance in the state of a GPU.</summary>
/// <param name="Profile">Its profile.</param>
/// <param name="Placement">The memory slices of the GPU that it has.</param>
public sealed record GpuInstanceState(GpuInstanceProfile Profile, Placement Placement)
{
    /// <summary>The id; null for one that is only planned.</summary>
    public int? Id { get; init; }

    /// <summary>The compute instances in it.</summary>
    public IReadOnlyList<ComputeInstanceState> ComputeInstances { get; init; } = [];

    /// <summary>
    /// Whether anybody uses it beside the users of its compute instances. It is then kept as it is, all compute instances included:
    /// nobody knows which of them are used.
    /// </summary>
    public bool IsInUse { get; init; }

    /// <summary>Whether it or a compute instance in it is used.</summary>
    public bool IsAnythingInUse => IsInUse || ComputeInstances.Any(c => c.IsInUse);

    /// <summary>Who uses its compute instances, as far as that is known.</summary>
    public IEnumerable<GpuProcess> Users => ComputeInstances.SelectMany(c => c.Users);

    /// <summary><c>GPU instance 2 (3g.20gb at 4:4)</c></summary>
    public override string ToString() =>
        Id is { } id
            ? string.Create(CultureInfo.InvariantCulture, $"GPU instance {id} ({Profile.Name} at {Placement})")
            : $"{Profile.Name} at {Placement}";
}

/// <summary>What stands on a GPU, checked against its geometry.</summary>
/// <remarks>An object can be used by any number of threads.</remarks>
public sealed class GpuState
{
    private readonly GpuInstanceState[] _instances;

    /// <summary>Describes what stands on a GPU.</summary>
    /// <param name="geometry">The kind of GPU.</param>
    /// <param name="instances">The GPU instances, in any order.</param>
    /// <exception cref="PlanningException">NVML cannot have such a state; the message says why.</exception>
    public GpuState(GpuGeometry geometry, IEnumerable<GpuInstanceState> instances)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        ArgumentNullException.ThrowIfNull(instances);
        Geometry = geometry;
        _instances = [.. instances.OrderBy(i => i.Placement.Start)];
        Kinds = new int[_instances.Length];
        Runs = new Run[_instances.Length];
        Compute = new RowInstance[_instances.Length][];
        IsInUse = [.. _instances.Select(i => i.IsAnythingInUse)];
        ComputeInUse = [.. _instances.Select(i => i.ComputeInstances.Select(c => i.IsInUse || c.IsInUse).ToArray())];
        IsWholeOrEmpty = new bool[_instances.Length];
        Used = new int[GpuGeometry.ResourceCount];
        for (int i = 0; i < _instances.Length; i++)
            Add(i);
        Contents = [.. Compute.Select((inside, i) => IsWholeOrEmpty[i] && inside.Length == 1
            ? geometry.Whole(Kinds[i])
            : ComputeContent.From([.. inside.Select(c => new RowSlot(c.Kind, 1, c.Run.Start))], geometry, Kinds[i]))];
        for (int kind = 0; kind < geometry.Profiles.Count; kind++)
            CheckLimit(Kinds.Count(k => k == kind), geometry.Profiles[kind].Profile);
        for (int resource = 0; resource < Used.Length; resource++)
        {
            if (Used[resource] > geometry.Resources[resource])
            {
                throw Impossible(
                    GpuGeometry.ResourceNames[resource],
                    $"The instances have {Used[resource]} {GpuGeometry.ResourceNames[resource]}, the GPU has {geometry.Resources[resource]}.");
            }
        }
    }

    /// <summary>The kind of GPU.</summary>
    public GpuGeometry Geometry { get; }

    /// <summary>The GPU instances, by start.</summary>
    public IReadOnlyList<GpuInstanceState> Instances => _instances;

    /// <summary>The profile of each instance, as an index into the geometry's.</summary>
    internal int[] Kinds { get; }

    internal Run[] Runs { get; }

    /// <summary>The compute instances of each instance, by the order they have there, in its compute row.</summary>
    internal RowInstance[][] Compute { get; }

    internal bool[] IsInUse { get; }

    /// <summary>Of each instance, which of its compute instances are in use.</summary>
    internal bool[][] ComputeInUse { get; }

    /// <summary>Whether an instance has no compute instance, or only the one that takes the whole.</summary>
    internal bool[] IsWholeOrEmpty { get; }

    /// <summary>What is inside each instance, as a wish that keeps it would say.</summary>
    internal ComputeContent[] Contents { get; }

    /// <summary>What the instances have of each resource.</summary>
    internal int[] Used { get; }

    /// <summary>The units that instances stand on.</summary>
    internal uint Occupied { get; private set; }

    /// <summary>An empty GPU.</summary>
    /// <param name="geometry">The kind of GPU.</param>
    public static GpuState Empty(GpuGeometry geometry) => new(geometry, []);

    /// <summary>The GPU instance with an id.</summary>
    /// <param name="id">The id.</param>
    /// <exception cref="PlanningException">There is none.</exception>
    public GpuInstanceState GetInstance(int id) => _instances[IndexOf(id)];

    /// <summary>Text for a wish that gives exactly this layout, with all placements: <c>3g.20gb:4,1g.5gb:0/none</c>.</summary>
    public override string ToString() => LayoutSpec.For(this).ToString();

    internal int IndexOf(int id)
    {
        int index = Array.FindIndex(_instances, i => i.Id == id);
        return index >= 0
            ? index
            : throw new PlanningException(
                PlanningError.UnknownInstance, $"GPU instance {id}", $"There is no GPU instance {id}. There {(_instances.Length == 0 ? "is none" : "are " + string.Join(", ", _instances.AsEnumerable()))}.");
    }

    private void Add(int index)
    {
        GpuInstanceState instance = _instances[index];
        int kind = Kinds[index] = Geometry.IndexOf(instance.Profile);
        if (!Geometry.Memory.HasPlace(kind, instance.Placement))
        {
            throw new PlanningException(
                PlanningError.InvalidPlacement,
                instance.ToString(),
                $"{instance} cannot be: instances of {instance.Profile} stand at {string.Join(", ", Geometry.Profiles[kind].Placements)}.");
        }

        Run run = Runs[index] = Geometry.Memory.ToRun(instance.Placement);
        if ((Occupied & run.Mask) != 0)
        {
            throw new PlanningException(
                PlanningError.Overlap, instance.ToString(), $"{instance} overlaps {_instances[index - 1]}.");
        }

        if (instance.Id is { } id && Array.FindIndex(_instances, i => i.Id == id) != index)
            throw Impossible(instance.ToString(), $"Two GPU instances have the id {id}.");
        Occupied |= run.Mask;
        for (int resource = 0; resource < Used.Length; resource++)
            Used[resource] += Geometry.Needs[(kind * GpuGeometry.ResourceCount) + resource];
        Compute[index] = instance.ComputeInstances.Count == 0 ? [] : ReadCompute(instance, kind);
        IsWholeOrEmpty[index] = Compute[index] switch
        {
            [] => true,
            [{ } only] => only.Kind == Geometry.Compute[kind]!.Default,
            _ => false,
        };
    }

    private RowInstance[] ReadCompute(GpuInstanceState instance, int kind)
    {
        if (Geometry.Compute[kind] is not { } compute)
        {
            throw new PlanningException(
                PlanningError.ImpossibleState,
                instance.ToString(),
                $"{instance} has compute instances, but the geometry does not know the compute instance profiles of {instance.Profile}.");
        }

        RowInstance[] there = new RowInstance[instance.ComputeInstances.Count];
        uint occupied = 0;
        for (int i = 0; i < there.Length; i++)
        {
            ComputeInstanceState inside = instance.ComputeInstances[i];
            string name = $"Compute instance {inside.Profile} at {inside.Placement} of {instance}";
            int computeKind = compute.IndexOf(inside.Profile);
            if (!compute.Row.HasPlace(computeKind, inside.Placement))
            {
                throw new PlanningException(
                    PlanningError.InvalidPlacement,
                    name,
                    $"{name} cannot be: it could stand at {string.Join(", ", compute.Profiles[computeKind].Placements)}.");
            }

            Run run = compute.Row.ToRun(inside.Placement);
            if ((occupied & run.Mask) != 0)
                throw new PlanningException(PlanningError.Overlap, name, $"{name} overlaps another.");
            if (inside.Id is { } id && instance.ComputeInstances.Count(c => c.Id == id) > 1)
                throw Impossible(name, $"Two compute instances of {instance} have the id {id}.");
            occupied |= run.Mask;
            there[i] = new RowInstance(computeKind, run);
        }

        for (int i = 0; i < compute.Profiles.Length; i++)
        {
            int count = there.Count(c => c.Kind == i);
            if (count > compute.Profiles[i].Profile.MaxInstances)
                throw Impossible(instance.ToString(), $"{instance} has {count} compute instances {compute.Profiles[i].Profile}; {compute.Profiles[i].Profile.MaxInstances} can be.");
        }

        return there;
    }

    private static void CheckLimit(int count, GpuInstanceProfile profile)
    {
        if (count > profile.MaxInstances)
            throw Impossible(profile.Name, $"There are {count} instances of {profile}; a GPU has {profile.MaxInstances} at most.");
    }

    private static PlanningException Impossible(string culprit, string message) => new(PlanningError.ImpossibleState, culprit, message);
}
