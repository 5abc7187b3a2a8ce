using System.Globalization;

namespace Nvml.Mig.Configuration;

/// <summary>The properties of a GPU by which a layout file can choose it.</summary>
/// <param name="Index">NVML's index.</param>
/// <param name="Uuid">The UUID, <c>GPU-</c> and 36 characters.</param>
/// <param name="PciBusId">The PCI bus id, such as <c>00000000:07:00.0</c>.</param>
/// <param name="PciDeviceId">The kind of PCI device, such as 0x233010DE.</param>
/// <param name="PciSubsystemId">The kind of board, in the same form.</param>
/// <param name="Name">The product's name, such as <c>NVIDIA H200</c>.</param>
/// <param name="IsMigCapable">Whether it can be divided.</param>
public sealed record GpuIdentity(
    int Index, string Uuid, string PciBusId, uint PciDeviceId, uint PciSubsystemId, string Name, bool IsMigCapable)
{
    /// <summary>Reads the identity of a GPU: one native call (<see cref="GpuDevice.IsMigCapable"/>) if the rest is known already.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public static GpuIdentity From(GpuDevice gpu)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return new GpuIdentity(gpu.Index, gpu.Uuid, gpu.PciBusId, gpu.PciDeviceId, gpu.PciSubsystemId, gpu.Name, gpu.IsMigCapable());
    }

    /// <summary>
    /// Whether the GPU answered. Of one that did not, the index alone is known: see <see cref="ResolvedLayout.Undecided"/>.
    /// </summary>
    public bool IsReadable { get; init; } = true;

    /// <summary>A GPU that does not answer. It counts as one that can be divided.</summary>
    /// <param name="index">NVML's index.</param>
    public static GpuIdentity Unreadable(int index) => new(index, "", "", 0, 0, "unreadable", IsMigCapable: true) { IsReadable = false };

    /// <summary><c>GPU 0 (NVIDIA H200, 0x233510DE)</c></summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"GPU {Index} ({Name}, 0x{PciDeviceId:X8})");
}
