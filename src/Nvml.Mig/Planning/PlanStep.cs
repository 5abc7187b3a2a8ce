using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>What a step of a plan does.</summary>
public enum PlanAction
{
    /// <summary>Destroys a compute instance.</summary>
    DestroyComputeInstance,

    /// <summary>Destroys a GPU instance, empty by then.</summary>
    DestroyGpuInstance,

    /// <summary>Creates a GPU instance at a placement.</summary>
    CreateGpuInstance,

    /// <summary>Creates a compute instance in a GPU instance that is there by then.</summary>
    CreateComputeInstance,
}

/// <summary>One call to the driver. Which instance it is about follows from the GPU instance's placement: no two stand in one place.</summary>
/// <param name="Action">What it does.</param>
/// <param name="Profile">The profile of the GPU instance.</param>
/// <param name="Placement">The placement of the GPU instance.</param>
public readonly record struct PlanStep(PlanAction Action, GpuInstanceProfile Profile, Placement Placement)
{
    /// <summary>The id of the GPU instance; null if the plan creates it, or if the state did not tell.</summary>
    public int? GpuInstanceId { get; init; }

    /// <summary>
    /// The profile of the compute instance. Null if the step is not about one, and for one that is to be created in a GPU instance of a
    /// profile of which NVML has not shown yet what goes inside: then the one with <see cref="ComputeSliceCount"/> slices, the default one
    /// if that is all slices of the GPU instance.
    /// </summary>
    public ComputeInstanceProfile? ComputeProfile { get; init; }

    /// <summary>The placement of the compute instance; null where the driver chooses, which it does only where the profile is null.</summary>
    public Placement? ComputePlacement { get; init; }

    /// <summary>The id of the compute instance to destroy, if the state told.</summary>
    public int? ComputeInstanceId { get; init; }

    /// <summary>The compute slices of the compute instance; 0 if the step is not about one.</summary>
    public int ComputeSliceCount { get; init; }

    /// <summary>
    /// The name of the compute instance's profile (<c>1c.3g.20gb</c>), also where <see cref="ComputeProfile"/> is null because NVML has not
    /// shown it yet; null if the step is not about one.
    /// </summary>
    public string? ComputeProfileName =>
        ComputeProfile is not null ? ComputeProfile.Name
        : ComputeSliceCount == 0 ? null
        : ComputeSliceCount == Profile.SliceCount ? Profile.Name
        : string.Create(CultureInfo.InvariantCulture, $"{ComputeSliceCount}c.{Profile.Name}");

    /// <summary>Whether it creates and does not destroy.</summary>
    public bool IsCreate => Action is PlanAction.CreateGpuInstance or PlanAction.CreateComputeInstance;

    /// <summary><c>create GPU instance 3g.20gb at 4:4</c></summary>
    public override string ToString()
    {
        string gpuInstance = GpuInstanceId is { } id
            ? string.Create(CultureInfo.InvariantCulture, $"GPU instance {id} ({Profile.Name} at {Placement})")
            : $"GPU instance {Profile.Name} at {Placement}";
        return Action switch
        {
            PlanAction.DestroyGpuInstance => $"destroy {gpuInstance}",
            PlanAction.CreateGpuInstance => $"create {gpuInstance}",
            PlanAction.DestroyComputeInstance => $"destroy compute instance {ComputeName()} of {gpuInstance}",
            _ => $"create compute instance {ComputeName()} in {gpuInstance}",
        };
    }

    private string ComputeName()
    {
        string numbered = ComputeInstanceId is { } id ? string.Create(CultureInfo.InvariantCulture, $"{id} ({ComputeProfileName})") : ComputeProfileName!;
        // A place inside says something only where there is more than one.
        return ComputePlacement is { } at && at.Size < Profile.SliceCount ? $"{numbered} at {at}" : numbered;
    }
}
