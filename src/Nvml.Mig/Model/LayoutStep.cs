namespace Nvml.Mig;

/// <summary>The kind of a step.</summary>
public enum LayoutStepKind
{
    /// <summary>Destroys a compute instance.</summary>
    DestroyComputeInstance,

    /// <summary>Destroys a GPU instance, empty by then.</summary>
    DestroyGpuInstance,

    /// <summary>Disables MIG mode.</summary>
    DisableMig,

    /// <summary>Enables MIG mode.</summary>
    EnableMig,

    /// <summary>Creates a GPU instance at a placement.</summary>
    CreateGpuInstance,

    /// <summary>Creates a compute instance in a GPU instance that is there by then.</summary>
    CreateComputeInstance,
}

/// <summary>One change to a GPU, and one call to the driver.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="GpuInstance">
/// The GPU instance that it is about, known by its placement: no two stand in one place. Null for a change of MIG mode.
/// </param>
/// <param name="ComputeInstance">The compute instance that it is about, if it is about one.</param>
public sealed record LayoutStep(
    LayoutStepKind Kind, GpuInstanceSnapshot? GpuInstance = null, ComputeInstanceSnapshot? ComputeInstance = null)
{
    /// <summary>Whether it creates an instance.</summary>
    public bool IsCreate => Kind is LayoutStepKind.CreateGpuInstance or LayoutStepKind.CreateComputeInstance;

    /// <summary>Whether it destroys an instance.</summary>
    public bool IsDestroy => Kind is LayoutStepKind.DestroyGpuInstance or LayoutStepKind.DestroyComputeInstance;

    /// <summary>Whether it switches the MIG mode.</summary>
    public bool IsModeChange => Kind is LayoutStepKind.EnableMig or LayoutStepKind.DisableMig;

    /// <summary>
    /// The mode that a change of MIG mode leads to; it can be one that waits for a reset, where the way leads back to that.
    /// </summary>
    internal MigMode Mode { get; init; }

    /// <summary>Whether the compute instance is there only to hold an id while others are created.</summary>
    internal bool HoldsId { get; init; }

    /// <summary><c>create GPU instance 3g.20gb at 4:4</c></summary>
    public override string ToString() => Kind switch
    {
        LayoutStepKind.DestroyComputeInstance => $"destroy {ComputeInstance} of {GpuInstance}",
        LayoutStepKind.DestroyGpuInstance => $"destroy {GpuInstance}",
        LayoutStepKind.DisableMig => "disable MIG",
        LayoutStepKind.EnableMig => "enable MIG",
        LayoutStepKind.CreateGpuInstance => $"create {GpuInstance}",
        _ => $"create {ComputeInstance} in {GpuInstance}",
    };

    internal static LayoutStep SetMode(bool enabled, MigMode leadsTo) =>
        new(enabled ? LayoutStepKind.EnableMig : LayoutStepKind.DisableMig) { Mode = leadsTo };

    /// <summary>Whether a GPU is as it is after this step.</summary>
    internal bool IsInEffect(GpuSnapshot snapshot)
    {
        GpuInstanceSnapshot? there = GpuInstance is null ? null : snapshot.Find(GpuInstance);
        return Kind switch
        {
            LayoutStepKind.DestroyComputeInstance =>
                there is null || !there.ComputeInstances.Any(c => c.Id == ComputeInstance!.Id && ComputeInstance.Describes(c)),
            LayoutStepKind.DestroyGpuInstance => there is null,
            LayoutStepKind.DisableMig or LayoutStepKind.EnableMig => snapshot.Mode == Mode,
            LayoutStepKind.CreateGpuInstance => there is not null,
            _ => there is not null && there.ComputeInstances.Any(ComputeInstance!.Describes),
        };
    }

    /// <summary>The GPU after this step. Instances that it creates have no ids yet.</summary>
    internal GpuSnapshot ApplyTo(GpuSnapshot snapshot)
    {
        List<GpuInstanceSnapshot> instances = [.. snapshot.Instances];
        int index = GpuInstance is null ? -1 : instances.FindIndex(GpuInstance.IsAt);
        switch (Kind)
        {
            case LayoutStepKind.EnableMig or LayoutStepKind.DisableMig:
                return snapshot with { Mode = Mode };
            case LayoutStepKind.DestroyGpuInstance:
                instances.RemoveAt(index);
                break;
            case LayoutStepKind.CreateGpuInstance:
                instances.Add(GpuInstance! with { ComputeInstances = [] });
                break;
            case LayoutStepKind.DestroyComputeInstance:
                instances[index] = WithInside(instances[index], c => c.Where(one => !IsGone(one)));
                break;
            default:
                instances[index] = WithInside(instances[index], c => c.Append(ComputeInstance!));
                break;
        }

        return snapshot with { Instances = instances };

        // By place where there is one: planned instances have no ids.
        bool IsGone(ComputeInstanceSnapshot one) => one.Id == ComputeInstance!.Id && one.Placement == ComputeInstance.Placement;
    }

    private static GpuInstanceSnapshot WithInside(
        GpuInstanceSnapshot instance, Func<IEnumerable<ComputeInstanceSnapshot>, IEnumerable<ComputeInstanceSnapshot>> change) =>
        instance with { ComputeInstances = [.. change(instance.ComputeInstances)] };
}
