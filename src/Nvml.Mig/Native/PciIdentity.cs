namespace Nvml.Mig.Native;

/// <summary>Where a GPU sits on the PCI bus, and what it is there. The ids have the vendor in the lower half.</summary>
internal sealed record PciIdentity(string BusId, uint DeviceId, uint SubsystemId);
