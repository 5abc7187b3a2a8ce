namespace Nvml.Mig.Monitoring;

/// <summary>A reading of a machine at one time, by a <see cref="GpuMonitor"/>.</summary>
/// <param name="Time">When.</param>
/// <param name="Gpus">The GPUs, by index; those too that do not answer.</param>
/// <param name="HasProcesses">Whether processes were asked for.</param>
public sealed record MachineReading(DateTimeOffset Time, IReadOnlyList<GpuReading> Gpus, bool HasProcesses);

/// <summary>Whether a GPU answers.</summary>
public enum GpuStatus
{
    /// <summary>It answers.</summary>
    Ok,

    /// <summary>It does not answer: <see cref="GpuReading.Problem"/> says why.</summary>
    Failing,

    /// <summary>It is lost: it has fallen off the bus or is otherwise out of reach.</summary>
    Lost,
}

/// <summary>Errors of one number that the driver has reported since the monitor began.</summary>
/// <param name="Xid">The number.</param>
/// <param name="Count">How many.</param>
public readonly record struct XidCount(int Xid, long Count);

/// <summary>A GPU at one time. What it does not have, or does not tell us, is null and never 0.</summary>
/// <param name="Index">NVML's index.</param>
/// <param name="Status">Whether it answers. If not, the values are null, and there are no instances.</param>
public sealed record GpuReading(int Index, GpuStatus Status)
{
    /// <summary>The UUID; null if the GPU has never answered.</summary>
    public string? Uuid { get; init; }

    /// <summary>The product's name; null if the GPU has never answered.</summary>
    public string? Name { get; init; }

    /// <summary>Why it does not answer, or why its instances cannot be listed; null if all is well.</summary>
    public NvmlException? Error { get; init; }

    /// <summary>The message of <see cref="Error"/>.</summary>
    public string? Problem => Error?.Message;

    /// <summary>The MIG mode; null if the GPU cannot be divided.</summary>
    public MigMode? Mode { get; init; }

    /// <summary>The temperature of the chip, in degrees Celsius.</summary>
    public int? TemperatureCelsius { get; init; }

    /// <summary>The power that the board draws, in watts.</summary>
    public double? PowerWatts { get; init; }

    /// <summary>
    /// For how much of the driver's last sample period a kernel ran, from 0 to 1. Null with MIG enabled: the driver has no number for the
    /// whole then.
    /// </summary>
    public double? Utilization { get; init; }

    /// <summary>The memory of the whole GPU, that of its instances included.</summary>
    public GpuMemory? Memory { get; init; }

    /// <summary>The Xid errors, those of its instances included, the last one last.</summary>
    public IReadOnlyList<XidCount> Xids { get; init; } = [];

    /// <summary>The processes on the GPU, those on its instances included; null if they were not asked for, or must not be seen.</summary>
    public IReadOnlyList<GpuProcess>? Processes { get; init; }

    /// <summary>The MIG devices, in NVML's order.</summary>
    public IReadOnlyList<InstanceReading> Instances { get; init; } = [];
}

/// <summary>A MIG device at one time.</summary>
/// <param name="Uuid">The UUID of the MIG device.</param>
/// <param name="GpuInstanceId">The id of its GPU instance.</param>
/// <param name="ComputeInstanceId">The id of its compute instance.</param>
/// <param name="Profile">
/// The name of the GPU instance's profile, such as <c>3g.20gb</c>; with the compute slices in front if it has a part of them,
/// <c>1c.3g.20gb</c>.
/// </param>
/// <param name="Placement">The memory slices of the GPU instance.</param>
/// <param name="Memory">The memory of the GPU instance, which its compute instances share.</param>
public sealed record InstanceReading(
    string Uuid, int GpuInstanceId, int ComputeInstanceId, string Profile, Placement Placement, GpuMemory Memory)
{
    /// <summary>
    /// The activity of the GPU instance since the reading before; null where the GPU has no performance monitoring (GPM), and in the first
    /// reading of an instance.
    /// </summary>
    public InstanceActivity? Activity { get; init; }

    /// <summary>The processes on the MIG device; null if they were not asked for, or must not be seen.</summary>
    public IReadOnlyList<GpuProcess>? Processes { get; init; }

    /// <summary>The Xid errors that were reported for it, the last one last.</summary>
    public IReadOnlyList<XidCount> Xids { get; init; } = [];
}

/// <summary>
/// The activity of a GPU instance from one reading to the next, by GPM: parts of the time or of what is possible, from 0 to 1. Null where
/// the driver gives no value. The compute instances of a GPU instance share these numbers.
/// </summary>
/// <param name="Window">The time between the readings.</param>
/// <param name="Engine">Time in which any engine for compute or graphics was busy.</param>
public sealed record InstanceActivity(TimeSpan Window, double? Engine)
{
    /// <summary>Time in which a multiprocessor was busy, averaged over all.</summary>
    public double? Multiprocessors { get; init; }

    /// <summary>Use of the tensor cores.</summary>
    public double? TensorCores { get; init; }

    /// <summary>Use of the memory bandwidth.</summary>
    public double? MemoryBandwidth { get; init; }
}
