namespace Nvml.Mig;

/// <summary>The memory of a GPU or of a MIG device, in bytes. The compute instances of a GPU instance share its memory.</summary>
/// <param name="TotalBytes">All of it.</param>
/// <param name="FreeBytes">What can be allocated.</param>
/// <param name="UsedBytes">
/// What is allocated. Without what the driver reserves, unless <paramref name="ReservedBytes"/> is null: older drivers count both as one.
/// </param>
/// <param name="ReservedBytes">What the driver keeps for itself; null on drivers of the R470 branch, which do not tell.</param>
public readonly record struct GpuMemory(long TotalBytes, long FreeBytes, long UsedBytes, long? ReservedBytes);
