namespace Nvml.Mig;

/// <summary>The memory of a GPU or of a MIG device, in bytes. The compute instances of a GPU instance share its memory.</summary>
/// <param name="TotalBytes">All of it.</param>
/// <param name="FreeBytes">The part that can be allocated.</param>
/// <param name="UsedBytes">
/// The part that is allocated. Without the reserve of the driver, unless <paramref name="ReservedBytes"/> is null: older drivers count both
/// as one.
/// </param>
/// <param name="ReservedBytes">The reserve of the driver; null on drivers of the R470 branch, which do not report it.</param>
public readonly record struct GpuMemory(long TotalBytes, long FreeBytes, long UsedBytes, long? ReservedBytes);
