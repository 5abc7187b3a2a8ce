using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Nvml.Mig.Interop;
using Nvml.Mig.Native;

namespace Nvml.Mig;

// What a GPU as a whole reports. Times of native calls are from an H200.
public sealed partial class GpuDevice
{
    private readonly ConcurrentDictionary<int, GpuInstanceCapabilities> _capabilities = new();
    private StrongBox<int>? _minorNumber;
    private StrongBox<GpuBrand>? _brand;
    private StrongBox<GpuArchitecture>? _architecture;
    private Version? _computeCapability;
    private string? _serial;
    private string? _vbiosVersion;
    private StrongBox<MigFeatures>? _migFeatures;

    /// <summary>The number of its device file, the N of <c>/dev/nvidiaN</c>, which need not be <see cref="Index"/>. Read once.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public int MinorNumber => (_minorNumber ??= new(Native.GetMinorNumber())).Value;

    /// <summary>The line of products that it belongs to. Read once (0.4 ms).</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuBrand Brand => (_brand ??= new((GpuBrand)Native.GetBrand())).Value;

    /// <summary>The architecture. Read once.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuArchitecture Architecture => (_architecture ??= new((GpuArchitecture)Native.GetArchitecture())).Value;

    /// <summary>The CUDA compute capability, such as 9.0. Read once.</summary>
    /// <exception cref="NvmlException">The GPU does not answer.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public Version ComputeCapability => _computeCapability ??= Native.GetComputeCapability();

    /// <summary>The serial number printed on the board. Read once.</summary>
    /// <exception cref="NvmlNotSupportedException">The board has none that can be read.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string GetSerial() => _serial ??= Native.GetSerial();

    /// <summary>The version of the video BIOS, such as <c>96.00.A5.00.1A</c>. Profiles' sizes can depend on it. Read once.</summary>
    /// <exception cref="NvmlNotSupportedException">The driver does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string GetVbiosVersion() => _vbiosVersion ??= Native.GetVbiosVersion();

    /// <summary>
    /// What the GPU and its driver can do about MIG. Works in either mode. Read once (one native call for both, 0.6 ms).
    /// </summary>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigFeatures GetMigFeatures()
    {
        if (_migFeatures is { } known)
            return known.Value;
        IReadOnlyList<FieldValue> fields = GetFieldValues(
            (int)LibNvml.NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, (int)LibNvml.NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE);
        return (_migFeatures = new(new MigFeatures(IsSet(fields[0]), IsSet(fields[1])))).Value;

        static bool? IsSet(FieldValue field) => field.Code == NvmlReturnCode.Success ? field.ToInt64() != 0 : null;
    }

    /// <summary>
    /// What instances of a profile can do beyond their size. Works with MIG disabled too. Read once for each profile (0.4 ms). Drivers
    /// that do not tell about graphics, as R550 and older, have no profiles with it.
    /// </summary>
    /// <param name="profile">A profile of this GPU.</param>
    /// <exception cref="ArgumentException">It is a profile of another GPU.</exception>
    /// <exception cref="NvmlException">The capabilities cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuInstanceCapabilities GetCapabilities(GpuInstanceProfile profile)
    {
        RequireOwn(profile);
        if (!_capabilities.TryGetValue(profile.Id, out GpuInstanceCapabilities capabilities))
        {
            capabilities = Native.GetCapabilities(profile) is { } told
                ? (GpuInstanceCapabilities)told
                : profile.SupportsP2P ? GpuInstanceCapabilities.PeerToPeer : GpuInstanceCapabilities.None;
            _capabilities[profile.Id] = capabilities;
        }

        return capabilities;
    }

    /// <summary>Whether the driver stays loaded while nobody uses the GPU. Without it, MIG mode is lost on Hopper and newer when the last client leaves.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public bool GetPersistenceMode() => Native.GetPersistenceMode();

    /// <summary>Who may compute on the GPU. With MIG enabled, MIG devices have modes of their own: <see cref="MigDevice.GetComputeMode"/>.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public ComputeMode GetComputeMode() => (ComputeMode)Native.GetComputeMode();

    /// <summary>How the GPU is virtualized. One that is passed through to this virtual machine cannot always be reset from within it.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuVirtualizationMode GetVirtualizationMode() => (GpuVirtualizationMode)Native.GetVirtualizationMode();

    /// <summary>The GPU's part in an NVLink fabric.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read; <see cref="NvmlReturnCode.FunctionNotFound"/> on drivers that are too old.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public FabricInfo GetFabricInfo() => Native.GetFabricInfo();

    /// <summary>The memory of the whole GPU. Of a part of it: <see cref="MigDevice.GetMemory"/>.</summary>
    /// <exception cref="NvmlNoPermissionException">The caller may not see the whole GPU, as in a container with a MIG device.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuMemory GetMemory() => Native.GetMemory();

    /// <summary>The BAR1 window of the whole GPU.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not see the whole GPU.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public Bar1Memory GetBar1Memory() => Native.GetBar1Memory();

    /// <summary>
    /// The processes on the GPU, those on its MIG devices included, with the instances that they run on. Three native calls, and one
    /// for each process for its name. Clients such as DCGM hold a GPU and show in no list.
    /// </summary>
    /// <returns>The processes by process id.</returns>
    /// <exception cref="NvmlNoPermissionException">The caller may not see all processes of a GPU with MIG enabled.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<GpuProcess> GetProcesses() => Native.GetProcesses();

    /// <summary>How busy the GPU is (3 ms). With MIG enabled, take <see cref="GpuInstance.TakeGpmSample"/> instead.</summary>
    /// <exception cref="NvmlNotSupportedException">MIG is enabled: the driver then has no number for the whole.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuUtilization GetUtilization() => Native.GetUtilization();

    /// <summary>The temperature of the chip, in degrees Celsius (0.3 ms).</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public int GetTemperatureCelsius() => Native.GetTemperature();

    /// <summary>The power that the whole board draws, in watts (1.5 ms).</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not tell.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public double GetPowerUsageWatts() => Native.GetPowerUsage() / 1000.0;

    /// <summary>The power that the board may draw, in watts: the lowest of all limits.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has no power management.</exception>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public double GetPowerLimitWatts() => Native.GetEnforcedPowerLimit() / 1000.0;

    /// <summary>How many memory errors ECC found in all memories together.</summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <exception cref="NvmlNotSupportedException">The GPU has no ECC, or it is disabled.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType) =>
        Native.GetTotalEccErrors((uint)errorType, (uint)counterType);

    /// <summary>How many memory errors ECC found in one memory.</summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <param name="location">Which memory.</param>
    /// <exception cref="NvmlNotSupportedException">The GPU does not count there, or ECC is disabled.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType, EccMemoryLocation location) =>
        Native.GetMemoryErrors((uint)errorType, (uint)counterType, (uint)location);

    /// <summary>The rows of memory that were replaced. Not while the GPU has instances.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not replace rows, or has instances.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public RemappedRows GetRemappedRows() => Native.GetRemappedRows();

    /// <summary>The values of NVML's numbered fields, which are many: see NVML_FI_... in NVIDIA's nvml.h. One native call for all.</summary>
    /// <param name="fieldIds">The fields.</param>
    /// <returns>A value for each, in the same order; one that the GPU does not have says so.</returns>
    /// <exception cref="NvmlException">None of them can be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<FieldValue> GetFieldValues(params ReadOnlySpan<int> fieldIds) => Native.GetFieldValues(fieldIds);

    /// <summary>The kinds of events that the GPU reports, among them ones that have no name here.</summary>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpuEventKinds GetSupportedEvents() => (GpuEventKinds)Native.GetSupportedEventTypes();

    /// <summary>Whether the GPU has performance monitoring (GPM): Hopper and newer, from driver R520 on.</summary>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public bool IsGpmSupported() => Native.IsGpmSupported();

    /// <summary>Samples the performance counters of the whole GPU (0.2 to 0.5 ms).</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="IsGpmSupported"/>.</exception>
    /// <exception cref="NvmlException">They cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public GpmSample TakeGpmSample() => new(Native.TakeGpmSample(null), ToString());

    internal GpmSample TakeGpmSample(int gpuInstanceId) =>
        new(Native.TakeGpmSample(gpuInstanceId), $"GPU instance {gpuInstanceId} of {this}");

    /// <summary>Registers the GPU's events, as far as it has them.</summary>
    internal bool TryWatch(NativeEventSet set, GpuEventKinds kinds, out NativeGpu native)
    {
        native = Native;
        ulong types = (ulong)kinds & native.GetSupportedEventTypes();
        if (types != 0)
            set.Register(native, types);
        return types != 0;
    }
}
