using System.Globalization;

namespace Nvml.Mig;

/// <summary>A process that uses a GPU or a MIG device.</summary>
/// <param name="ProcessId">The process id, as this process's namespace has it.</param>
/// <param name="Name">Its command; null if NVML cannot tell, as for processes of other containers.</param>
/// <param name="Kinds">What it does there.</param>
/// <param name="UsedMemoryBytes">The GPU memory that it has, in bytes; null if the driver does not tell.</param>
/// <param name="GpuInstanceId">The GPU instance that it runs on; null if it runs on the GPU as a whole.</param>
/// <param name="ComputeInstanceId">The compute instance that it runs on, within the GPU instance.</param>
public readonly record struct GpuProcess(
    int ProcessId, string? Name, GpuProcessKinds Kinds, long? UsedMemoryBytes, int? GpuInstanceId, int? ComputeInstanceId)
{
    /// <summary><c>process 4711 (python3)</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"process {ProcessId}{(Name is null ? "" : $" ({Name})")}");

    /// <summary>"It is used by process 4711 (python3): end that first."; null if there are none.</summary>
    internal static string? InTheWay(IEnumerable<GpuProcess> processes)
    {
        string names = string.Join(", ", processes.DistinctBy(process => process.ProcessId));
        return names.Length == 0 ? null : $"It is used by {names}: end that first.";
    }
}

/// <summary>What a process does on a GPU; it may do several.</summary>
[Flags]
public enum GpuProcessKinds
{
    /// <summary>Nothing that is known.</summary>
    None = 0,

    /// <summary>It computes: it has a CUDA context.</summary>
    Compute = 1,

    /// <summary>It draws.</summary>
    Graphics = 2,

    /// <summary>It computes through the Multi-Process Service.</summary>
    MpsClient = 4,
}
