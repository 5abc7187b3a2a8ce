namespace Nvml.Mig;

/// <summary>Where a GPU sits on the PCI bus, and its kind of device there. The ids have the vendor in the lower half.</summary>
internal sealed record PciIdentity(string BusId, uint DeviceId, uint SubsystemId);
