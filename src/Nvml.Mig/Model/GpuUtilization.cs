namespace Nvml.Mig;

/// <summary>How busy a GPU was over its last sample period, of 1/6 s to 1 s.</summary>
/// <param name="GpuPercent">The time in which a kernel ran, in per cent.</param>
/// <param name="MemoryPercent">The time in which memory was read or written, in per cent.</param>
public readonly record struct GpuUtilization(int GpuPercent, int MemoryPercent);
