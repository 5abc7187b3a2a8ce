using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A MIG device: a compute instance as CUDA programs, containers and schedulers see it. It goes with its compute instance.
/// </summary>
public sealed class MigDevice
{
    private readonly NativeMigDevice _native;
    private string? _name;

    internal MigDevice(GpuDevice device, NativeMigDevice native)
    {
        Device = device;
        _native = native;
    }

    /// <summary>The GPU that it is a part of.</summary>
    public GpuDevice Device { get; }

    /// <summary>
    /// The UUID, <c>MIG-</c> and 36 characters: what <c>CUDA_VISIBLE_DEVICES</c> takes. An instance that is created again in the same
    /// place has it again.
    /// </summary>
    public string Uuid => _native.Uuid;

    /// <summary>The id of its GPU instance.</summary>
    public int GpuInstanceId => _native.GpuInstanceId;

    /// <summary>The id of its compute instance within the GPU instance.</summary>
    public int ComputeInstanceId => _native.ComputeInstanceId;

    /// <summary>The name, such as <c>NVIDIA A100-SXM4-40GB MIG 1g.5gb</c>. Read once.</summary>
    /// <exception cref="NvmlException">The name cannot be read; the device may be gone.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string Name => _name ??= _native.GetName();

    /// <summary>The UUID.</summary>
    public override string ToString() => Uuid;
}
