using System.Globalization;

namespace Nvml.Mig;

/// <summary>A process that uses a GPU or a MIG device.</summary>
/// <param name="ProcessId">The process id, as this process's namespace has it.</param>
/// <param name="Name">Its command; null if NVML does not report it, as for processes of other containers.</param>
/// <param name="Kinds">How it uses the GPU.</param>
/// <param name="UsedMemoryBytes">Its GPU memory, in bytes; null if the driver does not report it.</param>
/// <param name="GpuInstanceId">The GPU instance that it runs on; null if it runs on the GPU as a whole.</param>
/// <param name="ComputeInstanceId">The compute instance that it runs on, within the GPU instance.</param>
public readonly record struct GpuProcess(
    int ProcessId, string? Name, GpuProcessKinds Kinds, long? UsedMemoryBytes, int? GpuInstanceId, int? ComputeInstanceId)
{
    /// <summary><c>process 4711 (python3)</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"process {ProcessId}{(Name is null ? "" : $" ({Name})")}");
}

/// <summary>Ways to use a GPU; a process may use several.</summary>
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
