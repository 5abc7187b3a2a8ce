using System.Globalization;

namespace Nvml.Mig;

/// <summary>Something that happened to a GPU.</summary>
/// <param name="Device">The GPU.</param>
/// <param name="Kind">The kind of event.</param>
/// <param name="Data">For <see cref="GpuEventKinds.Xid"/> the number of the error, see <see cref="Xid"/>; else what NVML says.</param>
/// <param name="GpuInstanceId">The GPU instance that it is about; null if none in particular.</param>
/// <param name="ComputeInstanceId">The compute instance that it is about, within the GPU instance; null if none in particular.</param>
public readonly record struct GpuEvent(GpuDevice Device, GpuEventKinds Kind, long Data, int? GpuInstanceId, int? ComputeInstanceId)
{
    /// <summary>The number of the Xid error, such as 79 for a GPU that fell off the bus; null if it is no Xid error.</summary>
    public int? Xid => Kind == GpuEventKinds.Xid ? (int)Data : null;

    /// <summary><c>Xid 94 on GPU 0 (GPU-...), GPU instance 2, compute instance 0</c>.</summary>
    public override string ToString()
    {
        string what = Xid is { } xid ? string.Create(CultureInfo.InvariantCulture, $"Xid {xid}") : Kind.ToString();
        string gpuInstance = GpuInstanceId is { } gi ? string.Create(CultureInfo.InvariantCulture, $", GPU instance {gi}") : "";
        string computeInstance = ComputeInstanceId is { } ci ? string.Create(CultureInfo.InvariantCulture, $", compute instance {ci}") : "";
        return $"{what} on {Device}{gpuInstance}{computeInstance}";
    }
}

/// <summary>
/// Kinds of events (nvmlEventType...). Newer drivers may have others: they can be asked for by number, by casting.
/// </summary>
[Flags]
public enum GpuEventKinds : long
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A memory error of one bit, corrected.</summary>
    SingleBitEccError = 0x1,

    /// <summary>A memory error of two bits.</summary>
    DoubleBitEccError = 0x2,

    /// <summary>The performance state changed.</summary>
    PerformanceState = 0x4,

    /// <summary>An error with a number, an Xid, as in the kernel's log.</summary>
    Xid = 0x8,

    /// <summary>Clocks changed.</summary>
    Clock = 0x10,

    /// <summary>The power source changed.</summary>
    PowerSourceChange = 0x80,

    /// <summary>The MIG mode changed, or an instance was created or destroyed, by whomever.</summary>
    MigConfigChange = 0x100,

    /// <summary>Very many corrected memory errors.</summary>
    SingleBitEccErrorStorm = 0x200,

    /// <summary>A page of memory was retired.</summary>
    DramRetirement = 0x400,

    /// <summary>A page of memory could not be retired.</summary>
    DramRetirementFailure = 0x800,

    /// <summary>Poisoned data were met, and contained.</summary>
    NonFatalPoisonError = 0x1000,

    /// <summary>Poisoned data were met, and not contained.</summary>
    FatalPoisonError = 0x2000,

    /// <summary>The GPU is not available.</summary>
    GpuUnavailable = 0x4000,

    /// <summary>The action by which the GPU recovers has changed.</summary>
    GpuRecoveryAction = 0x8000,

    /// <summary>
    /// The GPU is lost: it has fallen off the bus or is otherwise out of reach. No number of NVML's; it needs not be asked for.
    /// </summary>
    GpuLost = 1L << 62,
}
