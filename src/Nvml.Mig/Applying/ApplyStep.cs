using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>What a step of an apply does.</summary>
public enum ApplyAction
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

/// <summary>One change to a GPU.</summary>
/// <param name="Action">What it does.</param>
/// <param name="GpuInstance">The GPU instance that it is about; null for a change of MIG mode.</param>
/// <param name="ComputeInstance">The compute instance that it is about, if it is about one.</param>
public sealed record ApplyStep(ApplyAction Action, GpuInstanceLayout? GpuInstance = null, ComputeInstanceLayout? ComputeInstance = null)
{
    /// <summary>The profile where the planner knew all of it: it need not be looked up again.</summary>
    internal ComputeInstanceProfile? ComputeProfile { get; init; }

    /// <summary>The mode that a change of MIG mode leads to: it can be one that waits for a reset, where one was recorded.</summary>
    internal MigMode? Mode { get; init; }

    /// <summary>Whether the compute instance is there only to hold an id while others are created.</summary>
    internal bool HoldsId { get; init; }

    internal bool IsAboutMode => Action is ApplyAction.EnableMig or ApplyAction.DisableMig;

    /// <summary><c>create GPU instance 3g.20gb at 4:4</c></summary>
    public override string ToString() => Action switch
    {
        ApplyAction.DestroyComputeInstance => $"destroy {ComputeInstance} of {GpuInstance}",
        ApplyAction.DestroyGpuInstance => $"destroy {GpuInstance}",
        ApplyAction.DisableMig => "disable MIG",
        ApplyAction.EnableMig => "enable MIG",
        ApplyAction.CreateGpuInstance => $"create {GpuInstance}",
        _ => $"create {ComputeInstance} in {GpuInstance}",
    };

    internal static ApplyStep SetMode(bool enabled, MigMode leadsTo) => new(enabled ? ApplyAction.EnableMig : ApplyAction.DisableMig) { Mode = leadsTo };

    internal static ApplyStep From(PlanStep step)
    {
        GpuInstanceLayout gpuInstance = new(step.GpuInstanceId, step.Profile.Id, step.Profile.Name, step.Placement, []);
        ComputeInstanceLayout computeInstance = new(
            step.ComputeInstanceId,
            step.ComputeProfile?.Id,
            step.ComputeProfileName ?? "",
            step.ComputeSliceCount,
            step.ComputePlacement,
            MigUuid: null);
        return step.Action switch
        {
            PlanAction.DestroyComputeInstance => new ApplyStep(ApplyAction.DestroyComputeInstance, gpuInstance, computeInstance),
            PlanAction.DestroyGpuInstance => new ApplyStep(ApplyAction.DestroyGpuInstance, gpuInstance),
            PlanAction.CreateGpuInstance => new ApplyStep(ApplyAction.CreateGpuInstance, gpuInstance),
            _ => new ApplyStep(ApplyAction.CreateComputeInstance, gpuInstance, computeInstance) { ComputeProfile = step.ComputeProfile },
        };
    }

    /// <summary>Whether a layout is as it is after this step.</summary>
    internal bool IsInEffect(GpuLayout layout)
    {
        GpuInstanceLayout? there = GpuInstance is null ? null : layout.Instances.FirstOrDefault(GpuInstance.IsAt);
        return Action switch
        {
            ApplyAction.DestroyComputeInstance => there is null || !there.ComputeInstances.Any(c => c.Id == ComputeInstance!.Id && ComputeInstance.Describes(c)),
            ApplyAction.DestroyGpuInstance => there is null,
            ApplyAction.DisableMig or ApplyAction.EnableMig => layout.Mode == Mode,
            ApplyAction.CreateGpuInstance => there is not null,
            _ => there is not null && there.ComputeInstances.Any(ComputeInstance!.Describes),
        };
    }

    /// <summary>The layout that this step makes of another.</summary>
    internal GpuLayout ApplyTo(GpuLayout layout)
    {
        List<GpuInstanceLayout> instances = [.. layout.Instances];
        int index = GpuInstance is null ? -1 : instances.FindIndex(GpuInstance.IsAt);
        switch (Action)
        {
            case ApplyAction.EnableMig or ApplyAction.DisableMig:
                return layout with { Mode = Mode!.Value };
            case ApplyAction.DestroyGpuInstance:
                instances.RemoveAt(index);
                break;
            case ApplyAction.CreateGpuInstance:
                instances.Add(GpuInstance!);
                break;
            case ApplyAction.DestroyComputeInstance:
                instances[index] = instances[index] with { ComputeInstances = [.. instances[index].ComputeInstances.Where(c => c.Id != ComputeInstance!.Id)] };
                break;
            default:
                instances[index] = instances[index] with { ComputeInstances = [.. instances[index].ComputeInstances, ComputeInstance!] };
                break;
        }

        return layout with { Instances = [.. instances.OrderBy(i => i.Placement.Start)] };
    }
}
