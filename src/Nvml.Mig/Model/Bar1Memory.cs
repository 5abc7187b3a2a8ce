namespace Nvml.Mig;

/// <summary>The BAR1 window, through which the CPU and other devices reach the memory of a GPU or MIG device, in bytes.</summary>
/// <param name="TotalBytes">All of it.</param>
/// <param name="FreeBytes">The part that is not mapped.</param>
/// <param name="UsedBytes">The part that is mapped.</param>
public readonly record struct Bar1Memory(long TotalBytes, long FreeBytes, long UsedBytes);
