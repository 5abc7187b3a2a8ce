using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A MIG device: a compute instance as CUDA programs, containers and schedulers see it. It goes with its compute instance: after that
/// its members throw <see cref="NvmlNotFoundException"/>. When an instance is created again in the same place, it is there again, under
/// the same UUID, and may be larger or smaller. What NVML has for whole GPUs only, such as utilization, power and temperature, is on
/// <see cref="GpuDevice"/> alone.
/// </summary>
public sealed class MigDevice
{
    private readonly NativeMigDevice _native;
    private readonly int _foundAt;

    internal MigDevice(GpuDevice device, NativeMigDevice native, int foundAt = -1)
    {
        Device = device;
        _native = native;
        _foundAt = foundAt;
    }

    /// <summary>Whether it has the index that it was found at.</summary>
    internal bool HasIndexStill => _native.TryGetIndex() == _foundAt;

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

    /// <summary>The name, such as <c>NVIDIA A100-SXM4-40GB MIG 1g.5gb</c>.</summary>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">The name cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string GetName() => _native.GetName();

    /// <summary>Its index under the GPU as things stand: see <see cref="GpuDevice.GetMigDevice"/>.</summary>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">The index cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public int GetIndex() => _native.GetIndex();

    /// <summary>What it has: multiprocessors, engines, slices, memory.</summary>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">The attributes cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigDeviceAttributes GetAttributes() => _native.GetAttributes();

    /// <summary>The memory of its GPU instance, which it shares with the other compute instances there.</summary>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">The memory cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuMemory GetMemory() => _native.GetMemory();

    /// <summary>The BAR1 window of its GPU instance.</summary>
    /// <exception cref="NvmlNotSupportedException">The driver does not tell.</exception>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public Bar1Memory GetBar1Memory() => _native.GetBar1Memory();

    /// <summary>The processes on it. Three native calls, and one for each process for its name.</summary>
    /// <returns>The processes by process id.</returns>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<GpuProcess> GetProcesses() => _native.GetProcesses();

    /// <summary>Who may compute on it.</summary>
    /// <exception cref="NvmlNotSupportedException">The driver does not tell.</exception>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeMode GetComputeMode() => (ComputeMode)_native.GetComputeMode();

    /// <summary>
    /// How many memory errors ECC found in one memory of it. Drivers count volatile, uncorrected ones outside
    /// <see cref="EccMemoryLocation.Dram"/> for MIG devices, and say of the others that they are not supported.
    /// </summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <param name="location">Which memory.</param>
    /// <exception cref="NvmlNotSupportedException">The driver does not count that for MIG devices.</exception>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType, EccMemoryLocation location) =>
        _native.GetMemoryErrors((uint)errorType, (uint)counterType, (uint)location);

    /// <summary>
    /// Samples the performance counters of the GPU instance with its id, which NVML counts for all compute instances in it together.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="GpuDevice.IsGpmSupported"/>.</exception>
    /// <exception cref="NvmlNotFoundException">The GPU instance is gone.</exception>
    /// <exception cref="NvmlException">They cannot be read; <see cref="NvmlReturnCode.FunctionNotFound"/> on drivers that are too old.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpmSample TakeGpmSample() => Device.TakeGpmSample(GpuInstanceId);

    /// <summary>The UUID.</summary>
    public override string ToString() => Uuid;
}
