using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Devices;

/// <summary>
/// Every function of NVML 13 that MIG needs, and the public member that reaches it: each is called through the member, and the
/// simulated driver counts it.
/// </summary>
public class FunctionTests
{
    /// <summary>The functions, by part of nvml.h.</summary>
    private static readonly string[] Functions =
    [
        // Multi Instance GPU Management
        "nvmlDeviceSetMigMode",
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetGpuInstanceProfileInfo",
        "nvmlDeviceGetGpuInstanceProfileInfoV",
        "nvmlDeviceGetGpuInstanceProfileInfoByIdV",
        "nvmlDeviceGetGpuInstancePossiblePlacements",
        "nvmlDeviceGetGpuInstancePossiblePlacements_v2",
        "nvmlDeviceGetGpuInstanceRemainingCapacity",
        "nvmlDeviceCreateGpuInstance",
        "nvmlDeviceCreateGpuInstanceWithPlacement",
        "nvmlGpuInstanceDestroy",
        "nvmlDeviceGetGpuInstances",
        "nvmlDeviceGetGpuInstanceById",
        "nvmlGpuInstanceGetInfo",
        "nvmlGpuInstanceGetComputeInstanceProfileInfo",
        "nvmlGpuInstanceGetComputeInstanceProfileInfoV",
        "nvmlGpuInstanceGetComputeInstanceRemainingCapacity",
        "nvmlGpuInstanceGetComputeInstancePossiblePlacements",
        "nvmlGpuInstanceCreateComputeInstance",
        "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
        "nvmlComputeInstanceDestroy",
        "nvmlGpuInstanceGetComputeInstances",
        "nvmlGpuInstanceGetComputeInstanceById",
        "nvmlComputeInstanceGetInfo",
        "nvmlComputeInstanceGetInfo_v2",
        "nvmlDeviceIsMigDeviceHandle",
        "nvmlDeviceGetGpuInstanceId",
        "nvmlDeviceGetComputeInstanceId",
        "nvmlDeviceGetMaxMigDeviceCount",
        "nvmlDeviceGetMigDeviceHandleByIndex",
        "nvmlDeviceGetDeviceHandleFromMigDeviceHandle",

        // Initialization and Cleanup, Error reporting, System Queries
        "nvmlInit_v2",
        "nvmlInitWithFlags",
        "nvmlShutdown",
        "nvmlErrorString",
        "nvmlSystemGetDriverVersion",
        "nvmlSystemGetNVMLVersion",
        "nvmlSystemGetCudaDriverVersion_v2",
        "nvmlSystemGetProcessName",
        "nvmlSystemGetDriverBranch",

        // Device Queries
        "nvmlDeviceGetCount_v2",
        "nvmlDeviceGetHandleByIndex_v2",
        "nvmlDeviceGetHandleByUUID",
        "nvmlDeviceGetHandleByPciBusId_v2",
        "nvmlDeviceGetHandleBySerial",
        "nvmlDeviceGetName",
        "nvmlDeviceGetUUID",
        "nvmlDeviceGetIndex",
        "nvmlDeviceGetMinorNumber",
        "nvmlDeviceGetPciInfo_v3",
        "nvmlDeviceGetSerial",
        "nvmlDeviceGetBrand",
        "nvmlDeviceGetArchitecture",
        "nvmlDeviceGetCudaComputeCapability",
        "nvmlDeviceGetAttributes_v2",
        "nvmlDeviceGetMemoryInfo",
        "nvmlDeviceGetMemoryInfo_v2",
        "nvmlDeviceGetBAR1MemoryInfo",
        "nvmlDeviceGetPersistenceMode",
        "nvmlDeviceGetComputeMode",
        "nvmlDeviceGetVirtualizationMode",
        "nvmlDeviceGetComputeRunningProcesses_v3",
        "nvmlDeviceGetGraphicsRunningProcesses_v3",
        "nvmlDeviceGetMPSComputeRunningProcesses_v3",
        "nvmlDeviceGetUtilizationRates",
        "nvmlDeviceGetTemperature",
        "nvmlDeviceGetPowerUsage",
        "nvmlDeviceGetEnforcedPowerLimit",
        "nvmlDeviceGetFieldValues",
        "nvmlDeviceGetGpuFabricInfo",
        "nvmlDeviceGetVbiosVersion",
        "nvmlDeviceGetTotalEccErrors",
        "nvmlDeviceGetMemoryErrorCounter",
        "nvmlDeviceGetRemappedRows",

        // Event Handling Methods
        "nvmlDeviceGetSupportedEventTypes",
        "nvmlDeviceRegisterEvents",
        "nvmlEventSetCreate",
        "nvmlEventSetWait_v2",
        "nvmlEventSetFree",

        // GPM Functions
        "nvmlGpmSampleAlloc",
        "nvmlGpmSampleFree",
        "nvmlGpmSampleGet",
        "nvmlGpmMigSampleGet",
        "nvmlGpmMetricsGet",
        "nvmlGpmQueryDeviceSupport",
    ];

    /// <summary>Names that nvml.h itself makes another function's: who compiles a call to one calls the other.</summary>
    private static readonly Dictionary<string, string> Macros = new()
    {
        ["nvmlDeviceGetGpuInstancePossiblePlacements"] = "nvmlDeviceGetGpuInstancePossiblePlacements_v2",
        ["nvmlComputeInstanceGetInfo"] = "nvmlComputeInstanceGetInfo_v2",
    };

    /// <summary>
    /// Functions that take the place of younger ones on drivers of the R470 branch, and a command that reaches them there.
    /// </summary>
    private static readonly Dictionary<string, string[]> OnOldDrivers = new()
    {
        ["nvmlDeviceGetGpuInstanceProfileInfo"] = ["profiles"],
        ["nvmlGpuInstanceGetComputeInstanceProfileInfo"] = ["create", "3g.20gb", "--enable-mig"],
        ["nvmlDeviceGetMemoryInfo"] = ["doctor"],
    };

    private static readonly Dictionary<string, (string Member, Action<SimulatedGpu> Call)> Reached = new()
    {
        ["nvmlDeviceSetMigMode"] = ("GpuDevice.EnableMig", m => m.Gpu.EnableMig()),
        ["nvmlDeviceGetMigMode"] = ("GpuDevice.GetMigMode", m => m.Gpu.GetMigMode()),
        ["nvmlDeviceGetGpuInstanceProfileInfoV"] =
            ("GpuDevice.GetGpuInstanceProfiles", m => Again(m, s => s.Devices[0].GetGpuInstanceProfiles())),
        ["nvmlDeviceGetGpuInstanceProfileInfoByIdV"] = ("GpuDevice.GetGpuInstanceProfile", m => m.Gpu.GetGpuInstanceProfile(77)),
        ["nvmlDeviceGetGpuInstancePossiblePlacements_v2"] =
            ("GpuDevice.GetPossiblePlacements", m => m.Gpu.GetPossiblePlacements(Half(m).Profile)),
        ["nvmlDeviceGetGpuInstanceRemainingCapacity"] =
            ("GpuDevice.GetRemainingCapacity", m => m.Gpu.GetRemainingCapacity(Half(m).Profile)),
        ["nvmlDeviceCreateGpuInstance"] = ("GpuDevice.CreateGpuInstance", m => m.Create("1g.18gb")),
        ["nvmlDeviceCreateGpuInstanceWithPlacement"] = ("GpuDevice.CreateGpuInstance", m => m.Create("1g.18gb", new Placement(0, 1))),
        ["nvmlGpuInstanceDestroy"] = ("GpuInstance.Destroy", m => m.Create("1g.18gb").Destroy()),
        ["nvmlDeviceGetGpuInstances"] = ("GpuDevice.GetGpuInstances", m => m.Gpu.GetGpuInstances()),
        ["nvmlDeviceGetGpuInstanceById"] = ("GpuDevice.GetGpuInstance", m => Half(m)),
        ["nvmlGpuInstanceGetInfo"] = ("GpuDevice.GetGpuInstances", m => m.Gpu.GetGpuInstances()),
        ["nvmlGpuInstanceGetComputeInstanceProfileInfoV"] =
            ("GpuInstance.GetCapabilities", m => Half(m).GetCapabilities(Half(m).GetComputeInstanceProfiles()[0])),
        ["nvmlGpuInstanceGetComputeInstanceRemainingCapacity"] =
            ("GpuInstance.GetRemainingCapacity", m => Half(m).GetRemainingCapacity(Half(m).GetComputeInstanceProfiles()[0])),
        ["nvmlGpuInstanceGetComputeInstancePossiblePlacements"] =
            ("GpuInstance.GetPossiblePlacements", m => Half(m).GetPossiblePlacements(Half(m).GetComputeInstanceProfiles()[0])),
        ["nvmlGpuInstanceCreateComputeInstance"] =
            ("GpuInstance.CreateComputeInstance", m => Half(m).CreateComputeInstance(Half(m).GetComputeInstanceProfiles()[0])),
        ["nvmlGpuInstanceCreateComputeInstanceWithPlacement"] =
            ("GpuInstance.CreateComputeInstance", m => Half(m)
                .CreateComputeInstance(Half(m).GetComputeInstanceProfiles()[0], new Placement(1, 1))),
        ["nvmlComputeInstanceDestroy"] = ("ComputeInstance.Destroy", m => Half(m).GetComputeInstance(0).Destroy()),
        ["nvmlGpuInstanceGetComputeInstances"] = ("GpuInstance.GetComputeInstances", m => Half(m).GetComputeInstances()),
        ["nvmlGpuInstanceGetComputeInstanceById"] = ("GpuInstance.GetComputeInstance", m => Half(m).GetComputeInstance(0)),
        ["nvmlComputeInstanceGetInfo_v2"] = ("GpuInstance.GetComputeInstance", m => Half(m).GetComputeInstance(0)),
        ["nvmlDeviceIsMigDeviceHandle"] = ("NvmlSession.GetMigDevice", m => m.Session.GetMigDevice(Device(m).Uuid)),
        ["nvmlDeviceGetGpuInstanceId"] = ("GpuDevice.GetMigDevices", m => m.Gpu.GetMigDevices()),
        ["nvmlDeviceGetComputeInstanceId"] = ("GpuDevice.GetMigDevices", m => m.Gpu.GetMigDevices()),
        ["nvmlDeviceGetMaxMigDeviceCount"] = ("GpuDevice.GetMigDevices", m => m.Gpu.GetMigDevices()),
        ["nvmlDeviceGetMigDeviceHandleByIndex"] = ("GpuDevice.GetMigDevice", m => Device(m)),
        ["nvmlDeviceGetDeviceHandleFromMigDeviceHandle"] = ("NvmlSession.GetMigDevice", m => m.Session.GetMigDevice(Device(m).Uuid)),

        ["nvmlInit_v2"] = ("NvmlSession.Open", m => NvmlSession.Open(m.Simulator.LibraryPath).Dispose()),
        ["nvmlInitWithFlags"] =
            ("NvmlSession.Open", m => NvmlSession.Open(m.Simulator.LibraryPath, options: NvmlInitOptions.NoGpus).Dispose()),
        ["nvmlShutdown"] = ("NvmlSession.Dispose", m => NvmlSession.Open(m.Simulator.LibraryPath).Dispose()),
        ["nvmlSystemGetDriverVersion"] = ("NvmlSession.GetDriverVersion", m => m.Session.GetDriverVersion()),
        ["nvmlSystemGetNVMLVersion"] = ("NvmlSession.GetNvmlVersion", m => m.Session.GetNvmlVersion()),
        ["nvmlSystemGetCudaDriverVersion_v2"] = ("NvmlSession.GetCudaVersion", m => m.Session.GetCudaVersion()),
        ["nvmlSystemGetProcessName"] = ("NvmlSession.GetProcessName", m => m.Session.GetProcessName(1)),
        ["nvmlSystemGetDriverBranch"] = ("NvmlSession.GetDriverBranch", m => m.Session.GetDriverBranch()),

        ["nvmlDeviceGetCount_v2"] = ("NvmlSession.Devices", m => Again(m, s => s.Devices)),
        ["nvmlDeviceGetHandleByIndex_v2"] = ("NvmlSession.Devices", m => Again(m, s => s.Devices[0].Uuid)),
        ["nvmlDeviceGetHandleByUUID"] = ("NvmlSession.GetDevice", m => m.Session.GetDevice(m.Gpu.Uuid)),
        ["nvmlDeviceGetHandleByPciBusId_v2"] = ("NvmlSession.GetDevice", m => m.Session.GetDevice(m.Gpu.PciBusId)),
        ["nvmlDeviceGetHandleBySerial"] = ("NvmlSession.GetDeviceBySerial", m => m.Session.GetDeviceBySerial(m.Gpu.GetSerial())),
        ["nvmlDeviceGetName"] = ("GpuDevice.Name", m => Again(m, s => s.Devices[0].Name)),
        ["nvmlDeviceGetUUID"] = ("GpuDevice.Uuid", m => Again(m, s => s.Devices[0].Uuid)),
        ["nvmlDeviceGetIndex"] = ("MigDevice.GetIndex", m => Device(m).GetIndex()),
        ["nvmlDeviceGetMinorNumber"] = ("GpuDevice.MinorNumber", m => _ = m.Gpu.MinorNumber),
        ["nvmlDeviceGetPciInfo_v3"] = ("GpuDevice.PciBusId", m => _ = m.Gpu.PciBusId),
        ["nvmlDeviceGetSerial"] = ("GpuDevice.GetSerial", m => m.Gpu.GetSerial()),
        ["nvmlDeviceGetBrand"] = ("GpuDevice.Brand", m => _ = m.Gpu.Brand),
        ["nvmlDeviceGetArchitecture"] = ("GpuDevice.Architecture", m => _ = m.Gpu.Architecture),
        ["nvmlDeviceGetCudaComputeCapability"] = ("GpuDevice.ComputeCapability", m => _ = m.Gpu.ComputeCapability),
        ["nvmlDeviceGetAttributes_v2"] = ("MigDevice.GetAttributes", m => Device(m).GetAttributes()),
        ["nvmlDeviceGetMemoryInfo_v2"] = ("MigDevice.GetMemory", m => Device(m).GetMemory()),
        ["nvmlDeviceGetBAR1MemoryInfo"] = ("MigDevice.GetBar1Memory", m => Device(m).GetBar1Memory()),
        ["nvmlDeviceGetPersistenceMode"] = ("GpuDevice.GetPersistenceMode", m => m.Gpu.GetPersistenceMode()),
        ["nvmlDeviceGetComputeMode"] = ("MigDevice.GetComputeMode", m => Device(m).GetComputeMode()),
        ["nvmlDeviceGetVirtualizationMode"] = ("GpuDevice.GetVirtualizationMode", m => m.Gpu.GetVirtualizationMode()),
        ["nvmlDeviceGetComputeRunningProcesses_v3"] = ("MigDevice.GetProcesses", m => Device(m).GetProcesses()),
        ["nvmlDeviceGetGraphicsRunningProcesses_v3"] = ("MigDevice.GetProcesses", m => Device(m).GetProcesses()),
        ["nvmlDeviceGetMPSComputeRunningProcesses_v3"] = ("MigDevice.GetProcesses", m => Device(m).GetProcesses()),
        ["nvmlDeviceGetUtilizationRates"] = ("GpuDevice.GetUtilization", m => m.Gpu.GetUtilization()),
        ["nvmlDeviceGetTemperature"] = ("GpuDevice.GetTemperatureCelsius", m => m.Gpu.GetTemperatureCelsius()),
        ["nvmlDeviceGetPowerUsage"] = ("GpuDevice.GetPowerUsageWatts", m => m.Gpu.GetPowerUsageWatts()),
        ["nvmlDeviceGetEnforcedPowerLimit"] = ("GpuDevice.GetPowerLimitWatts", m => m.Gpu.GetPowerLimitWatts()),
        ["nvmlDeviceGetFieldValues"] = ("GpuDevice.GetFieldValues", m => m.Gpu.GetFieldValues(184)),
        ["nvmlDeviceGetGpuFabricInfo"] = ("GpuDevice.GetFabricInfo", m => m.Gpu.GetFabricInfo()),
        ["nvmlDeviceGetVbiosVersion"] = ("GpuDevice.GetVbiosVersion", m => m.Gpu.GetVbiosVersion()),
        ["nvmlDeviceGetTotalEccErrors"] =
            ("GpuDevice.GetEccErrorCount", m => m.Gpu.GetEccErrorCount(EccErrorType.Corrected, EccCounterType.Aggregate)),
        ["nvmlDeviceGetMemoryErrorCounter"] =
            ("MigDevice.GetEccErrorCount", m => Device(m)
                .GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Volatile, EccMemoryLocation.Sram)),
        ["nvmlDeviceGetRemappedRows"] = ("GpuDevice.GetRemappedRows", m => m.Gpu.GetRemappedRows()),

        ["nvmlDeviceGetSupportedEventTypes"] = ("GpuDevice.GetSupportedEvents", m => m.Gpu.GetSupportedEvents()),
        ["nvmlDeviceRegisterEvents"] = ("NvmlSession.WatchEvents", m => m.Session.WatchEvents().Dispose()),
        ["nvmlEventSetCreate"] = ("NvmlSession.WatchEvents", m => m.Session.WatchEvents().Dispose()),
        ["nvmlEventSetWait_v2"] = ("GpuEventWatcher.ReadAllAsync", WaitForAnEvent),
        ["nvmlEventSetFree"] = ("GpuEventWatcher.Dispose", m => m.Session.WatchEvents().Dispose()),

        ["nvmlGpmQueryDeviceSupport"] = ("GpuDevice.IsGpmSupported", m => m.Gpu.IsGpmSupported()),
        ["nvmlGpmSampleAlloc"] = ("GpuInstance.TakeGpmSample", Measure),
        ["nvmlGpmSampleFree"] = ("GpmSample.Dispose", Measure),
        ["nvmlGpmSampleGet"] = ("GpuDevice.TakeGpmSample", Measure),
        ["nvmlGpmMigSampleGet"] = ("GpuInstance.TakeGpmSample", m => Half(m).TakeGpmSample().Dispose()),
        ["nvmlGpmMetricsGet"] = ("GpmSample.GetMetricsSince", Measure),
    };

    /// <summary>Codes with which the simulated GPU refuses the question in this state.</summary>
    private static readonly string[] Refused =
    [
        "nvmlDeviceGetGpuInstanceProfileInfoByIdV", // a profile that there is not
        "nvmlDeviceGetUtilizationRates", // with MIG enabled
        "nvmlDeviceGetRemappedRows", // with instances
    ];

    public static TheoryData<string> ReachedFunctions => new(Reached.Keys);

    public static TheoryData<string> OldFunctions => new(OnOldDrivers.Keys);

    [Fact]
    public void None_is_missing()
    {
        Reached.Keys.Concat(OnOldDrivers.Keys).Concat(Macros.Keys).Append("nvmlErrorString").Should().BeEquivalentTo(Functions);
        Macros.Values.Should().BeSubsetOf(Reached.Keys);
    }

    [Theory]
    [MemberData(nameof(ReachedFunctions))]
    public void A_public_member_reaches_it(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance half = machine.Create("3g.71gb", new Placement(4, 4));
        half.CreateComputeInstance(half.GetComputeInstanceProfiles()[0], new Placement(0, 1));
        (string member, Action<SimulatedGpu> call) = Reached[function];
        long before = machine.Simulator.GetCallCount(function);

        bool answered = true;
        try
        {
            call(machine);
        }
        catch (NvmlException)
        {
            answered = false;
        }

        answered.Should().Be(!Refused.Contains(function, StringComparer.Ordinal));
        machine.Simulator.GetCallCount(function).Should().BeGreaterThan(before);
        string[] name = member.Split('.');
        typeof(NvmlSession).Assembly.GetType($"Nvml.Mig.{name[0]}")!.GetMember(name[1]).Should().NotBeEmpty("{0} is public", member);
    }

    [Fact]
    public void The_words_of_error_string_are_in_every_message()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.CorruptedInforom));

        machine.Gpu.Invoking(g => g.GetMigMode())
            .Should().Throw<NvmlException>().WithMessage("*: Corrupted infoROM (NVML_ERROR_CORRUPTED_INFOROM, *");
    }

    [Theory]
    [MemberData(nameof(OldFunctions))]
    public void On_old_drivers_it_takes_the_place_of_a_younger_one(string function)
    {
        using Nvmig nvmig = new();
        string trace = Path.Combine(nvmig.Folder, "trace");
        nvmig.Environment["NVML_LIBRARY_PATH"] = Nvmig.Stub470;
        nvmig.Environment["NVML_STUB_GPUS"] = "A100-SXM4-40GB";
        nvmig.Environment["NVML_STUB_TRACE"] = trace;

        nvmig.RunBare(OnOldDrivers[function]).ExitCode.Should().Be(0);

        File.ReadAllText(trace).Should().MatchRegex($@"\b{function}\b");
    }

    private static GpuInstance Half(SimulatedGpu machine) => machine.Gpu.GetGpuInstance(2);

    private static MigDevice Device(SimulatedGpu machine) => machine.Gpu.GetMigDevice(0);

    /// <summary>In a session of its own, which knows nothing yet.</summary>
    private static void Again<T>(SimulatedGpu machine, Func<NvmlSession, T> read)
    {
        using NvmlSession session = NvmlSession.Open(machine.Simulator.LibraryPath);
        read(session);
    }

    private static void Measure(SimulatedGpu machine)
    {
        using GpmSample before = machine.Gpu.TakeGpmSample();
        using GpmSample after = machine.Gpu.TakeGpmSample();
        after.GetMetricsSince(before, GpmMetric.SmUtilization);
    }

    private static void WaitForAnEvent(SimulatedGpu machine)
    {
        using GpuEventWatcher watcher = machine.Session.WatchEvents();
        machine.Simulator.RaiseXid(0, 31);
        watcher.ReadAllAsync().FirstAsync().AsTask().Wait(TimeSpan.FromSeconds(30)).Should().BeTrue();
    }
}
