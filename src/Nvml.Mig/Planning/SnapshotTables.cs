using System.Runtime.CompilerServices;

namespace Nvml.Mig.Planning;

/// <summary>The solver's tables of a snapshot, checked against its geometry and computed once for each.</summary>
internal sealed class SnapshotTables
{
    private static readonly ConditionalWeakTable<GpuSnapshot, SnapshotTables> Known = [];

    private SnapshotTables(GpuSnapshot snapshot)
    {
        Snapshot = snapshot;
        Geometry = GeometryTables.Of(snapshot.Geometry);
        int count = Instances.Count;
        Kinds = new int[count];
        Runs = new Run[count];
        Compute = new RowInstance[count][];
        IsInUse = [.. Instances.Select(i => i.IsAnythingInUse)];
        ComputeInUse = [.. Instances.Select(i => i.ComputeInstances.Select(c => i.IsInUse || c.IsInUse).ToArray())];
        IsWholeOrEmpty = new bool[count];
        Used = new int[GeometryTables.ResourceCount];
        for (int i = 0; i < count; i++)
            Add(i);
        Contents = [.. Compute.Select((inside, i) => IsWholeOrEmpty[i] && inside.Length == 1
            ? Geometry.Whole(Kinds[i])
            : ComputeContent.From([.. inside.Select(c => new RowSlot(c.Kind, 1, IsAssumed(i) ? -1 : c.Run.Start))], Geometry, Kinds[i]))];
        for (int kind = 0; kind < Geometry.Profiles.Count; kind++)
            CheckLimit(Kinds.Count(k => k == kind), Geometry.Profiles[kind].Profile);
        for (int resource = 0; resource < Used.Length; resource++)
        {
            if (Used[resource] > Geometry.Resources[resource])
            {
                throw Impossible(
                    GeometryTables.ResourceNames[resource],
                    $"The instances have {Used[resource]} {GeometryTables.ResourceNames[resource]}, the GPU has "
                        + $"{Geometry.Resources[resource]}.");
            }
        }
    }

    public GpuSnapshot Snapshot { get; }

    public GeometryTables Geometry { get; }

    /// <summary>The GPU instances, by start.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Instances => Snapshot.Instances;

    /// <summary>The profile of each instance, as an index into the geometry's.</summary>
    public int[] Kinds { get; }

    public Run[] Runs { get; }

    /// <summary>The compute instances of each instance, by the order they have there, in its compute row.</summary>
    public RowInstance[][] Compute { get; }

    public bool[] IsInUse { get; }

    /// <summary>Of each instance, which of its compute instances are in use.</summary>
    public bool[][] ComputeInUse { get; }

    /// <summary>Whether an instance has no compute instance, or only the one that takes the whole.</summary>
    public bool[] IsWholeOrEmpty { get; }

    /// <summary>The content of each instance, as a spec that keeps it would have it.</summary>
    public ComputeContent[] Contents { get; }

    /// <summary>The amount of each resource that the instances have.</summary>
    public int[] Used { get; }

    /// <summary>The units that instances stand on.</summary>
    public uint Occupied { get; private set; }

    /// <summary>The tables of a snapshot.</summary>
    /// <exception cref="PlanningException">No GPU can be in such a state; the message says why.</exception>
    public static SnapshotTables Of(GpuSnapshot snapshot) =>
        Known.TryGetValue(snapshot, out SnapshotTables? known) ? known : Known.GetValue(snapshot, static s => new SnapshotTables(s));

    /// <summary>
    /// Whether what can be inside an instance is not known. Its compute instances then have their slices for a kind and no run, and either
    /// all of them stay or none.
    /// </summary>
    public bool IsAssumed(int index) => Geometry.Compute[Kinds[index]] is null;

    private void Add(int index)
    {
        GpuInstanceSnapshot instance = Instances[index];
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
                PlanningError.Overlap, instance.ToString(), $"{instance} overlaps {Instances[index - 1]}.");
        }

        if (instance.Id is { } id && Snapshot.IndexOf(id) != index)
            throw Impossible(instance.ToString(), $"Two GPU instances have the id {id}.");
        Occupied |= run.Mask;
        for (int resource = 0; resource < Used.Length; resource++)
            Used[resource] += Geometry.Needs[(kind * GeometryTables.ResourceCount) + resource];
        Compute[index] = instance.ComputeInstances.Count == 0 ? [] : ReadCompute(instance, kind);
        IsWholeOrEmpty[index] = Compute[index] switch
        {
            [] => true,
            [{ } only] => only.Kind == (Geometry.Compute[kind]?.Default ?? instance.Profile.SliceCount),
            _ => false,
        };
    }

    private RowInstance[] ReadCompute(GpuInstanceSnapshot instance, int kind)
    {
        if (Geometry.Compute[kind] is not { } compute)
            return [.. instance.ComputeInstances.Select(c => new RowInstance(c.SliceCount, default))];

        RowInstance[] there = new RowInstance[instance.ComputeInstances.Count];
        uint occupied = 0;
        for (int i = 0; i < there.Length; i++)
        {
            ComputeInstanceSnapshot inside = instance.ComputeInstances[i];
            string name = $"Compute instance {inside.Name} at {inside.Placement} of {instance}";
            int computeKind = inside.Profile is { } profile ? compute.IndexOf(profile) : compute.IndexOf($"{inside.SliceCount}c");
            if (inside.Placement is not { } place || !compute.Row.HasPlace(computeKind, place))
            {
                throw new PlanningException(
                    PlanningError.InvalidPlacement,
                    name,
                    $"{name} cannot be: it could stand at {string.Join(", ", compute.Profiles[computeKind].Placements)}.");
            }

            Run run = compute.Row.ToRun(place);
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
            ComputeInstanceProfile profile = compute.Profiles[i].Profile;
            if (count > profile.MaxInstances)
                throw Impossible(
                    instance.ToString(), $"{instance} has {count} compute instances {profile}; {profile.MaxInstances} can be.");
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
