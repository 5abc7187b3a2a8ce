namespace Nvml.Mig;

/// <summary>An instance as the driver describes it. Two descriptions that differ are of two instances.</summary>
internal readonly record struct InstanceInfo(int Id, int ProfileId, Placement Placement);
