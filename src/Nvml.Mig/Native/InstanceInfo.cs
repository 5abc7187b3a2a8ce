namespace Nvml.Mig.Native;

/// <summary>What the driver says an instance is. Two answers that differ are about two instances.</summary>
internal readonly record struct InstanceInfo(int Id, int ProfileId, Placement Placement);
