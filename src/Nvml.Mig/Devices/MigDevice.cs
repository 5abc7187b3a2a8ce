using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A MIG device: a compute instance as CUDA programs, containers and schedulers see it. When an instance is created again in the same
/// place, the device is there again, under the same UUID, and may be larger or smaller. Readings that NVML has for whole GPUs only, such as
/// utilization, power and temperature, are on <see cref="GpuDevice"/> alone.
/// </summary>
/// <remarks>
/// A member that calls the driver throws <see cref="NvmlNotFoundException"/> if the compute instance is gone, another
/// <see cref="NvmlException"/> if the call fails (<see cref="NvmlNotSupportedException"/> for a reading that the driver does not have), and
/// <see cref="ObjectDisposedException"/> once the session is closed.
/// </remarks>
public sealed class MigDevice
{
    private readonly NativeMigDevice _native;

    internal MigDevice(GpuDevice device, NativeMigDevice native)
    {
        Device = device;
        _native = native;
    }

    /// <summary>The GPU that it is a part of.</summary>
    public GpuDevice Device { get; }

    /// <summary>
    /// The UUID, <c>MIG-</c> and 36 characters, for <c>CUDA_VISIBLE_DEVICES</c>. An instance that is created again in the same place has it
    /// again.
    /// </summary>
    public string Uuid => _native.Uuid;

    /// <summary>The id of its GPU instance.</summary>
    public int GpuInstanceId => _native.GpuInstanceId;

    /// <summary>The id of its compute instance within the GPU instance.</summary>
    public int ComputeInstanceId => _native.ComputeInstanceId;

    /// <summary>The name, such as <c>NVIDIA A100-SXM4-40GB MIG 1g.5gb</c>.</summary>
    public string GetName() => _native.GetName();

    /// <summary>Its index under the GPU as things stand: see <see cref="GpuDevice.GetMigDevice"/>.</summary>
    public int GetIndex() => _native.GetIndex();

    /// <summary>Its resources: multiprocessors, engines, slices, memory.</summary>
    public MigDeviceAttributes GetAttributes() => _native.GetAttributes();

    /// <summary>The memory of its GPU instance, which it shares with the other compute instances there.</summary>
    public GpuMemory GetMemory() => _native.GetMemory();

    /// <summary>The BAR1 window of its GPU instance.</summary>
    public Bar1Memory GetBar1Memory() => _native.GetBar1Memory();

    /// <summary>The processes on it. Three native calls, and one for each process for its name.</summary>
    /// <returns>The processes by process id.</returns>
    public IReadOnlyList<GpuProcess> GetProcesses() => _native.GetProcesses();

    /// <summary>Which processes may compute on it.</summary>
    public ComputeMode GetComputeMode() => (ComputeMode)_native.GetComputeMode();

    /// <summary>
    /// How many memory errors ECC found in one memory of it. Drivers count volatile, uncorrected ones outside
    /// <see cref="EccMemoryLocation.Dram"/> for MIG devices, and do not support the others.
    /// </summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <param name="location">Which memory.</param>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType, EccMemoryLocation location) =>
        _native.GetMemoryErrors((uint)errorType, (uint)counterType, (uint)location);

    /// <summary>
    /// Samples the performance counters of its GPU instance, which NVML counts for all compute instances in it together. Three native
    /// calls: two for which instance it is.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="GpuDevice.IsGpmSupported"/>.</exception>
    public GpmSample TakeGpmSample()
    {
        try
        {
            return Device.TakeGpmSample(Device.Native.GetGpuInstanceById(GpuInstanceId).Info);
        }
        catch (NvmlException e) when (e.Code is NvmlReturnCode.InvalidArgument or NvmlReturnCode.NotFound && !_native.Exists())
        {
            throw NvmlErrors.Gone(e.Function, $"MIG device {Uuid}");
        }
    }

    /// <summary>The UUID.</summary>
    public override string ToString() => Uuid;
}
