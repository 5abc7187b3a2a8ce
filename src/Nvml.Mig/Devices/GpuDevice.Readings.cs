using System.Runtime.CompilerServices;
using Nvml.Mig.Native;

namespace Nvml.Mig;

// Readings of the GPU as a whole. Times of native calls are from an H200.
public sealed partial class GpuDevice
{
    private string? _name;
    private PciIdentity? _pci;
    private StrongBox<int>? _minorNumber;
    private StrongBox<GpuBrand>? _brand;
    private StrongBox<GpuArchitecture>? _architecture;
    private Version? _computeCapability;
    private string? _serial;
    private string? _vbiosVersion;
    private StrongBox<MigFeatures>? _migFeatures;

    /// <summary>The product's name, such as <c>NVIDIA A100-SXM4-40GB</c>.</summary>
    public string Name => _name ??= Native.GetName();

    /// <summary>The PCI bus id, such as <c>00000000:07:00.0</c>.</summary>
    public string PciBusId => Pci.BusId;

    /// <summary>
    /// The kind of PCI device: the device id in the upper half, the vendor in the lower, <c>0x233010DE</c> for an H100 80GB HBM3.
    /// mig-parted's files choose GPUs by it.
    /// </summary>
    public uint PciDeviceId => Pci.DeviceId;

    /// <summary>The kind of board, in the same form as <see cref="PciDeviceId"/>: <c>0x18BF10DE</c> for an H200 SXM.</summary>
    public uint PciSubsystemId => Pci.SubsystemId;

    private PciIdentity Pci => _pci ??= Native.GetPci();

    /// <summary>The number of its device file, the N of <c>/dev/nvidiaN</c>, which need not be <see cref="Index"/>. Read once.</summary>
    public int MinorNumber => (_minorNumber ??= new(Native.GetMinorNumber())).Value;

    /// <summary>The line of products that it belongs to. Read once (0.4 ms).</summary>
    public GpuBrand Brand => (_brand ??= new((GpuBrand)Native.GetBrand())).Value;

    /// <summary>The architecture. Read once.</summary>
    public GpuArchitecture Architecture => (_architecture ??= new((GpuArchitecture)Native.GetArchitecture())).Value;

    /// <summary>The CUDA compute capability, such as 9.0. Read once.</summary>
    public Version ComputeCapability => _computeCapability ??= Native.GetComputeCapability();

    /// <summary>The serial number printed on the board. Read once.</summary>
    /// <exception cref="NvmlNotSupportedException">The board has none that can be read.</exception>
    public string GetSerial() => _serial ??= Native.GetSerial();

    /// <summary>The version of the video BIOS, such as <c>96.00.A5.00.1A</c>. Profiles' sizes can depend on it. Read once.</summary>
    public string GetVbiosVersion() => _vbiosVersion ??= Native.GetVbiosVersion();

    /// <summary>
    /// The abilities of the GPU and its driver about MIG. Works in either mode. Read once (one native call for both, 0.6 ms).
    /// </summary>
    public MigFeatures GetMigFeatures() => (_migFeatures ??= new(Native.GetMigFeatures())).Value;

    /// <summary>
    /// Whether the driver stays loaded while nobody uses the GPU. Without it, MIG mode is lost on Hopper and newer when the last client
    /// leaves.
    /// </summary>
    public bool GetPersistenceMode() => Native.GetPersistenceMode();

    /// <summary>
    /// Which processes may compute on the GPU. With MIG enabled, MIG devices have modes of their own:
    /// <see cref="MigDevice.GetComputeMode"/>.
    /// </summary>
    public ComputeMode GetComputeMode() => (ComputeMode)Native.GetComputeMode();

    /// <summary>
    /// How the GPU is virtualized. One that is passed through to this virtual machine cannot always be reset from within it.
    /// </summary>
    public GpuVirtualizationMode GetVirtualizationMode() => (GpuVirtualizationMode)Native.GetVirtualizationMode();

    /// <summary>The GPU's part in an NVLink fabric.</summary>
    public FabricInfo GetFabricInfo() => Native.GetFabricInfo();

    /// <summary>The memory of the whole GPU. Of a part of it: <see cref="MigDevice.GetMemory"/>.</summary>
    /// <exception cref="NvmlNoPermissionException">The caller may not see the whole GPU, as in a container with a MIG device.</exception>
    public GpuMemory GetMemory() => Native.GetMemory();

    /// <summary>The BAR1 window of the whole GPU.</summary>
    /// <exception cref="NvmlNoPermissionException">The caller may not see the whole GPU.</exception>
    public Bar1Memory GetBar1Memory() => Native.GetBar1Memory();

    /// <summary>
    /// The processes on the GPU, those on its MIG devices included, with the instances that they run on. Three native calls, and one
    /// for each process for its name. Clients such as DCGM hold a GPU and show in no list.
    /// </summary>
    /// <returns>The processes by process id.</returns>
    /// <exception cref="NvmlNoPermissionException">The caller may not see all processes of a GPU with MIG enabled.</exception>
    public IReadOnlyList<GpuProcess> GetProcesses() => Native.GetProcesses();

    /// <summary>How busy the GPU is (3 ms). With MIG enabled, take <see cref="GpuInstance.TakeGpmSample"/> instead.</summary>
    /// <exception cref="NvmlNotSupportedException">MIG is enabled: the driver then has no number for the whole.</exception>
    public GpuUtilization GetUtilization()
    {
        try
        {
            return Native.GetUtilization();
        }
        catch (NvmlNotSupportedException e) when (Native.GetMigMode() is { Current: true })
        {
            string why = "With MIG enabled there is none for the whole GPU: take GPM samples of GPU instances.";
            throw NvmlErrors.Create(e.Code, e.Function, $"{e.Message} {why}", inner: e);
        }
    }

    /// <summary>The temperature of the chip, in degrees Celsius (0.3 ms).</summary>
    public int GetTemperatureCelsius() => Native.GetTemperature();

    /// <summary>The power that the whole board draws, in watts (1.5 ms).</summary>
    public double GetPowerUsageWatts() => Native.GetPowerUsage() / 1000.0;

    /// <summary>The power that the board may draw, in watts: the lowest of all limits.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has no power management.</exception>
    public double GetPowerLimitWatts() => Native.GetEnforcedPowerLimit() / 1000.0;

    /// <summary>How many memory errors ECC found in all memories together.</summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <exception cref="NvmlNotSupportedException">The GPU has no ECC, or it is disabled.</exception>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType) =>
        Native.GetTotalEccErrors((uint)errorType, (uint)counterType);

    /// <summary>How many memory errors ECC found in one memory.</summary>
    /// <param name="errorType">Corrected ones, or others.</param>
    /// <param name="counterType">Since when.</param>
    /// <param name="location">Which memory.</param>
    /// <exception cref="NvmlNotSupportedException">The GPU does not count there, or ECC is disabled.</exception>
    public long GetEccErrorCount(EccErrorType errorType, EccCounterType counterType, EccMemoryLocation location) =>
        Native.GetMemoryErrors((uint)errorType, (uint)counterType, (uint)location);

    /// <summary>The rows of memory that were replaced. Not while the GPU has instances.</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU does not replace rows, or has instances.</exception>
    public RemappedRows GetRemappedRows() => Native.GetRemappedRows();

    /// <summary>The values of NVML's numbered fields: see NVML_FI_... in NVIDIA's nvml.h. One native call for all.</summary>
    /// <param name="fieldIds">The fields.</param>
    /// <returns>A value for each, in the same order; one that the GPU does not have says so.</returns>
    /// <exception cref="NvmlException">None of them can be read.</exception>
    public IReadOnlyList<FieldValue> GetFieldValues(params ReadOnlySpan<int> fieldIds) => Native.GetFieldValues(fieldIds);

    /// <summary>The kinds of events that the GPU reports, among them ones that have no name here.</summary>
    public GpuEventKinds GetSupportedEvents() => (GpuEventKinds)Native.GetSupportedEventTypes();

    /// <summary>Whether the GPU has performance monitoring (GPM): Hopper and newer, from driver R520 on.</summary>
    public bool IsGpmSupported() => Native.IsGpmSupported();

    /// <summary>Samples the performance counters of the whole GPU (0.2 to 0.5 ms).</summary>
    /// <exception cref="NvmlNotSupportedException">The GPU has none: see <see cref="IsGpmSupported"/>.</exception>
    public GpmSample TakeGpmSample() => new(Native.TakeGpmSample(null), ToString(), null, 0);

    internal GpmSample TakeGpmSample(InstanceInfo instance)
    {
        int generation = Destroyed.GetValueOrDefault(instance.Id);
        return new GpmSample(Native.TakeGpmSample(instance.Id), $"GPU instance {instance.Id} of {this}", instance, generation);
    }

    /// <summary>Registers the GPU's events, as far as it has them.</summary>
    internal bool TryWatch(NativeEventSet set, GpuEventKinds kinds)
    {
        ulong types = (ulong)kinds & Native.GetSupportedEventTypes();
        if (types != 0)
            set.Register(Native, types);
        return types != 0;
    }
}
