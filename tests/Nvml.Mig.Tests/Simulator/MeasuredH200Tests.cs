using System.Runtime.InteropServices;
using System.Text;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>
/// Answers of a real H200, driver 580.159.04, MIG disabled and nothing running: the simulated one must give the same, oddities
/// included, because callers must survive them.
/// </summary>
public unsafe class MeasuredH200Tests
{
    private const byte Untouched = 0xAA;

    [Fact]
    public void The_driver_branch_has_a_name_and_a_version_that_stays()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        Branch(nvmlSystemDriverBranchInfo_t.Version, 80).Should().Be((NVML_SUCCESS, "r582_49", 0x01000054u));
        Branch(nvmlSystemDriverBranchInfo_t.Version, 8).Result.Should().Be(NVML_SUCCESS);
        Branch(nvmlSystemDriverBranchInfo_t.Version, 7).Result.Should().Be(NVML_ERROR_INSUFFICIENT_SIZE);
        Branch(0, 80).Should().Be((NVML_ERROR_ARGUMENT_VERSION_MISMATCH, "", 0u));
        Branch(0x02000054, 80).Should().Be((NVML_ERROR_ARGUMENT_VERSION_MISMATCH, "", 0x02000054u));

        static (nvmlReturn_t Result, string Branch, uint Version) Branch(uint version, uint length)
        {
            nvmlSystemDriverBranchInfo_t info = new() { version = version };
            nvmlReturn_t result = nvmlSystemGetDriverBranch(&info, length);
            return (result, Marshal.PtrToStringUTF8((nint)info.branch)!, info.version);
        }
    }

    [Fact]
    public void The_board_has_a_serial_number_that_leads_back_to_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200*2", migEnabled: false);
        byte* serial = stackalloc byte[NVML_DEVICE_SERIAL_BUFFER_SIZE];
        nvmlDevice_t found;

        nvmlDeviceGetSerial(Gpu(1), serial, NVML_DEVICE_SERIAL_BUFFER_SIZE).Should().Be(NVML_SUCCESS);

        Encoding.ASCII.GetString(serial, 14).Should().MatchRegex("^1[0-9]{12}\0$");
        nvmlDeviceGetHandleBySerial(serial, &found).Should().Be(NVML_SUCCESS);
        found.Should().Be(Gpu(1));
        nvmlDeviceGetSerial(Gpu(1), serial, 2).Should().Be(NVML_ERROR_INSUFFICIENT_SIZE);
        serial[12] = 0; // cut off
        nvmlDeviceGetHandleBySerial(serial, &found).Should().Be(NVML_ERROR_NOT_FOUND);
        serial[0] = 0;
        nvmlDeviceGetHandleBySerial(serial, &found).Should().Be(NVML_ERROR_NOT_FOUND);
    }

    [Fact]
    public void Brand_modes_and_vbios()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200+vm", migEnabled: false);
        nvmlDevice_t gpu = Gpu(0);
        byte* vbios = stackalloc byte[NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE];

        Read((value) => nvmlDeviceGetBrand(gpu, value)).Should().Be((NVML_SUCCESS, 14u));
        Read((value) => nvmlDeviceGetPersistenceMode(gpu, value)).Should().Be((NVML_SUCCESS, 1u));
        Read((value) => nvmlDeviceGetComputeMode(gpu, value)).Should().Be((NVML_SUCCESS, 0u));
        Read((value) => nvmlDeviceGetVirtualizationMode(gpu, value)).Should().Be((NVML_SUCCESS, 1u), "it was passed through");
        nvmlDeviceGetVbiosVersion(gpu, vbios, NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE).Should().Be(NVML_SUCCESS);
        Marshal.PtrToStringUTF8((nint)vbios).Should().Be("96.00.A5.00.1A");
    }

    [Fact]
    public void The_fabric_state_is_not_supported_and_its_padding_stays()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        byte* info = stackalloc byte[40];
        new Span<byte>(info, 40).Fill(Untouched);

        nvmlDeviceGetGpuFabricInfo(Gpu(0), (nvmlGpuFabricInfo_t*)info).Should().Be(NVML_SUCCESS);

        new Span<byte>(info, 25).ToArray().Should().OnlyContain(value => value == 0);
        new Span<byte>(info + 25, 15).ToArray().Should().OnlyContain(value => value == Untouched);
    }

    [Fact]
    public void Idle_it_is_cool_and_draws_little()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlDevice_t gpu = Gpu(0);
        nvmlUtilization_t utilization;
        nvmlBAR1Memory_t bar1;

        nvmlDeviceGetUtilizationRates(gpu, &utilization).Should().Be(NVML_SUCCESS);
        (utilization.gpu, utilization.memory).Should().Be((0, 0));
        Read((value) => nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU, value)).Should().Be((NVML_SUCCESS, 39u));
        Read((value) => nvmlDeviceGetTemperature(gpu, 1, value)).Result.Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Read((value) => nvmlDeviceGetPowerUsage(gpu, value)).Should().Be((NVML_SUCCESS, 80290u));
        Read((value) => nvmlDeviceGetEnforcedPowerLimit(gpu, value)).Should().Be((NVML_SUCCESS, 700_000u));
        nvmlDeviceGetBAR1MemoryInfo(gpu, &bar1).Should().Be(NVML_SUCCESS);
        (bar1.bar1Total, bar1.bar1Free, bar1.bar1Used).Should().Be((274877906944, 274876203008, 1703936));
    }

    [Fact]
    public void Memory_errors_are_counted_in_dram_and_sram_only()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlDevice_t gpu = Gpu(0);
        uint* rows = stackalloc uint[4] { 7, 7, 7, 7 };

        for (uint error = 0; error < 3; error++)
        {
            for (uint counter = 0; counter < 3; counter++)
            {
                bool known = error < 2 && counter < 2;
                Total(error, counter).Should().Be(known ? (NVML_SUCCESS, 0ul) : (NVML_ERROR_INVALID_ARGUMENT, 7ul));
                for (uint location = 0; location < 9; location++)
                {
                    Count(error, counter, location).Should().Be(
                        !known || location == 8 ? (NVML_ERROR_INVALID_ARGUMENT, 7ul)
                        : location is 2 or 7 ? (NVML_SUCCESS, 0ul)
                        : (NVML_ERROR_NOT_SUPPORTED, 7ul));
                }
            }
        }

        nvmlDeviceGetRemappedRows(gpu, rows, rows + 1, rows + 2, rows + 3).Should().Be(NVML_SUCCESS);
        new Span<uint>(rows, 4).ToArray().Should().OnlyContain(count => count == 0);

        (nvmlReturn_t, ulong) Total(uint error, uint counter)
        {
            ulong count = 7;
            return (nvmlDeviceGetTotalEccErrors(gpu, error, counter, &count), count);
        }

        (nvmlReturn_t, ulong) Count(uint error, uint counter, uint location)
        {
            ulong count = 7;
            return (nvmlDeviceGetMemoryErrorCounter(gpu, error, counter, location, &count), count);
        }
    }

    [Fact]
    public void A_field_value_that_is_not_there_leaves_its_entry_as_it_was()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        const ulong nothing = 0xAAAAAAAAAAAAAAAA;
        DateTimeOffset begun = DateTimeOffset.UtcNow;

        nvmlFieldValue_t[] fields = Fields(184, 199, 1, 142, 999, 0, 150, 3, 147);

        fields.Select(field => (field.fieldId, field.nvmlReturn, field.valueType, field.value.ullVal)).Should().Equal(
            (184u, NVML_SUCCESS, NVML_VALUE_TYPE_UNSIGNED_INT, 0xAAAAAAAA00000001),
            (199u, NVML_SUCCESS, NVML_VALUE_TYPE_UNSIGNED_INT, 0xAAAAAAAA00000001),
            (1u, NVML_SUCCESS, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 1ul),
            (142u, NVML_SUCCESS, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, 0ul),
            (999u, NVML_ERROR_INVALID_ARGUMENT, 0xAAAAAAAA, nothing),
            (0u, NVML_ERROR_INVALID_ARGUMENT, 0xAAAAAAAA, nothing),
            (150u, NVML_ERROR_NOT_SUPPORTED, 0xAAAAAAAA, nothing),
            (3u, NVML_SUCCESS, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, nothing), // success without a value
            (147u, unchecked((nvmlReturn_t)0xAAAAAAAA), 0xAAAAAAAA, nothing)); // not even a return code
        foreach (nvmlFieldValue_t field in fields)
        {
            if (field.nvmlReturn == NVML_SUCCESS)
                DateTimeOffset.FromUnixTimeMilliseconds(field.timestamp / 1000).Should().BeCloseTo(begun, TimeSpan.FromMinutes(1));
            else
                (field.timestamp, field.latencyUsec).Should().Be((unchecked((long)nothing), unchecked((long)nothing)));
        }

        nvmlDeviceGetFieldValues(Gpu(0), 0, null).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
    }

    [Fact]
    public void Version_3_of_a_profile_misplaces_a_wrong_name()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        Name(0).Should().Be("MIG 7g.0gb");
        Name(1).Should().Be("MIG 3g.0gb");
        Name(2).Should().Be("MIG 2g.0gb");
        Name(3).Should().Be("MIG 1g.0gb");
        Name(4).Should().Be("MIG 1g.0gb");
        Name(7).Should().Be("MIG 1g.0gb+me");
        Name(9).Should().Be("MIG 4g.0gb");

        static string Name(uint number)
        {
            nvmlGpuInstanceProfileInfo_v3_t info = new() { version = nvmlGpuInstanceProfileInfo_v3_t.Version };
            nvmlDeviceGetGpuInstanceProfileInfoV(Gpu(0), number, (nvmlGpuInstanceProfileInfo_v2_t*)&info).Should().Be(NVML_SUCCESS);
            (info.version, info.capabilities, ((byte*)&info)[48]).Should().Be((0, 0, 0));
            return Marshal.PtrToStringUTF8((nint)(&info) + 56)!;
        }
    }

    [Fact]
    public void A_timeout_of_a_wait_clears_the_event_data_only()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlEventSet_t set;
        ulong* data = stackalloc ulong[4];
        new Span<ulong>(data, 4).Fill(ulong.MaxValue);
        nvmlEventSetCreate(&set).Should().Be(NVML_SUCCESS);

        nvmlDeviceRegisterEvents(Gpu(0), 0x108, set).Should().Be(NVML_SUCCESS);
        nvmlDeviceRegisterEvents(Gpu(0), 0x40, set).Should().Be(NVML_SUCCESS, "an event that it does not have is no error");
        nvmlDeviceRegisterEvents(Gpu(0), 0, set).Should().Be(NVML_SUCCESS);
        nvmlEventSetWait_v2(set, (nvmlEventData_t*)data, 5).Should().Be(NVML_ERROR_TIMEOUT);

        new Span<ulong>(data, 4).ToArray().Should().Equal(ulong.MaxValue, ulong.MaxValue, 0, ulong.MaxValue);
        nvmlEventSetFree(set).Should().Be(NVML_SUCCESS);
    }

    [Fact]
    public void Metrics_have_names_and_units_and_are_0_while_nothing_runs()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        Metrics(1, 5, 20, 36, 8).Should().Equal(
            (NVML_SUCCESS, 0.0, "gract", "GRAPHICS_UTIL", "%"),
            (NVML_SUCCESS, 0.0, "mmaact", "ANY_TENSOR_UTIL", "%"),
            (NVML_SUCCESS, 0.0, "pcitx", "PCIE_TX_PER_SEC", "MiB/s"),
            (NVML_SUCCESS, 0.0, "nvdec6", "NVDEC_6_UTIL", "%"),
            (NVML_SUCCESS, 0.0, null, null, "%"));
        Metrics(0, 210).Should().Equal(
            (NVML_ERROR_INVALID_ARGUMENT, -1.0, null, null, null), (NVML_ERROR_INVALID_ARGUMENT, -1.0, null, null, null));
    }

    [Fact]
    public void A_busy_gpu_is_busy_with_nothing_in_particular()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        using IDisposable training = machine.Simulator.StartProcess(0, 4711, "python3");

        Metrics(1, 2, 5, 10).Select(metric => (metric.Result, metric.Value)).Should().Equal(
            (NVML_SUCCESS, 100.0), (NVML_SUCCESS, 100.0), (NVML_ERROR_NOT_SUPPORTED, -1.0), (NVML_ERROR_NOT_SUPPORTED, -1.0));
        nvmlUtilization_t utilization;
        nvmlDeviceGetUtilizationRates(Gpu(0), &utilization).Should().Be(NVML_SUCCESS);
        utilization.gpu.Should().Be(100);
    }

    [Fact]
    public void Metrics_need_two_samples_and_few_enough_questions()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlGpmSample_t* samples = stackalloc nvmlGpmSample_t[3];
        for (int i = 0; i < 3; i++)
            nvmlGpmSampleAlloc(samples + i).Should().Be(NVML_SUCCESS);
        for (int i = 0; i < 2; i++)
            nvmlGpmSampleGet(Gpu(0), samples[i]).Should().Be(NVML_SUCCESS);

        Ask(1, 1, samples[0], samples[1]).Should().Be(NVML_SUCCESS);
        Ask(1, 1, samples[1], samples[0]).Should().Be(NVML_SUCCESS, "nobody minds that they are the wrong way round");
        Ask(1, 210, samples[0], samples[1]).Should().Be(NVML_SUCCESS);
        Ask(1, 211, samples[0], samples[1]).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Ask(1, 0, samples[0], samples[1]).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Ask(1, 1, samples[0], samples[0]).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Ask(1, 1, samples[0], samples[2]).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Ask(1, 1, default, samples[0]).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        Ask(0, 1, samples[0], samples[1]).Should().Be(NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
        for (int i = 0; i < 3; i++)
            nvmlGpmSampleFree(samples[i]).Should().Be(NVML_SUCCESS);
        nvmlGpmSampleFree(default).Should().Be(NVML_SUCCESS);

        static nvmlReturn_t Ask(uint version, uint count, nvmlGpmSample_t first, nvmlGpmSample_t second)
        {
            nvmlGpmMetricsGet_t get = new() { version = version, numMetrics = count, sample1 = first, sample2 = second };
            return nvmlGpmMetricsGet(&get);
        }
    }

    [Fact]
    public void A_list_of_processes_says_how_long_it_is_before_anything_else()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        Ask(0).Should().Be((NVML_SUCCESS, 0u));
        Ask(5).Should().Be((NVML_SUCCESS, 0u), "there is nothing to write");
        using IDisposable training = machine.Simulator.StartProcess(0, 4711, "/usr/bin/python3");
        byte* name = stackalloc byte[32];

        Ask(0).Should().Be((NVML_ERROR_INSUFFICIENT_SIZE, 1u));
        Ask(5).Should().Be((NVML_ERROR_INVALID_ARGUMENT, 1u));
        nvmlSystemGetProcessName(4711, name, 2).Should().Be(NVML_SUCCESS);
        Marshal.PtrToStringUTF8((nint)name).Should().Be("/", "the name is cropped");
        nvmlSystemGetProcessName(4711, name, 0).Should().Be(NVML_ERROR_INVALID_ARGUMENT);
        nvmlSystemGetProcessName(4712, name, 32).Should().Be(NVML_ERROR_NOT_FOUND);

        static (nvmlReturn_t, uint) Ask(uint room)
        {
            uint count = room;
            return (nvmlDeviceGetComputeRunningProcesses_v3(Gpu(0), &count, null), count);
        }
    }

    [Theory]
    [InlineData(new uint[] { 0 }, true)]
    [InlineData(new uint[] { 1 }, true)]
    [InlineData(new uint[] { 4 }, true)]
    [InlineData(new uint[] { 2 }, false)]
    [InlineData(new uint[] { 6 }, false)]
    [InlineData(new uint[] { 2, 0 }, false)]
    [InlineData(new uint[] { 2, 1 }, false)]
    [InlineData(new uint[] { 2, 4 }, true)]
    [InlineData(new uint[] { 0, 2 }, true)]
    public void The_first_initialisation_decides_whether_there_are_gpus(uint[] flags, bool attached)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200");
        nint library = NativeLibrary.Load(simulator.LibraryPath);
        var initialise = (delegate* unmanaged<uint, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlInitWithFlags");
        var shutdown = (delegate* unmanaged<nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlShutdown");
        var getCount = (delegate* unmanaged<uint*, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetCount_v2");
        var getByIndex = (delegate* unmanaged<uint, nint*, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetHandleByIndex_v2");
        var getByUuid = (delegate* unmanaged<byte*, nint*, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetHandleByUUID");
        var getIndex = (delegate* unmanaged<nint, uint*, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetIndex");
        var getUuid = (delegate* unmanaged<nint, byte*, uint, nvmlReturn_t>)NativeLibrary.GetExport(library, "nvmlDeviceGetUUID");
        nint known;
        byte* uuid = stackalloc byte[96];
        initialise(0);
        getByIndex(0, &known);
        getUuid(known, uuid, 96);
        shutdown();

        foreach (uint flag in flags)
            initialise(flag).Should().Be(NVML_SUCCESS);
        uint count;
        uint index;
        nint device;
        nvmlReturn_t[] answers = [getCount(&count), getByIndex(0, &device), getByUuid(uuid, &device), getIndex(known, &index)];
        foreach (uint _ in flags)
            shutdown().Should().Be(NVML_SUCCESS);

        count.Should().Be(attached ? 1u : 0u);
        answers.Should().Equal(attached
            ? [NVML_SUCCESS, NVML_SUCCESS, NVML_SUCCESS, NVML_SUCCESS]
            : [NVML_SUCCESS, NVML_ERROR_INVALID_ARGUMENT, NVML_ERROR_NOT_FOUND, NVML_ERROR_INVALID_ARGUMENT]);
    }

    private static nvmlDevice_t Gpu(uint index)
    {
        nvmlDevice_t device;
        nvmlDeviceGetHandleByIndex_v2(index, &device).Should().Be(NVML_SUCCESS);
        return device;
    }

    private delegate nvmlReturn_t Reader(uint* value);

    private static (nvmlReturn_t Result, uint Value) Read(Reader read)
    {
        uint value = 0xAAAAAAAA;
        return (read(&value), value);
    }

    private static nvmlFieldValue_t[] Fields(params uint[] ids)
    {
        nvmlFieldValue_t[] fields = new nvmlFieldValue_t[ids.Length];
        MemoryMarshal.AsBytes(fields.AsSpan()).Fill(Untouched);
        for (int i = 0; i < ids.Length; i++)
            (fields[i].fieldId, fields[i].scopeId) = (ids[i], 0);
        fixed (nvmlFieldValue_t* first = fields)
            nvmlDeviceGetFieldValues(Gpu(0), ids.Length, first).Should().Be(NVML_SUCCESS);
        return fields;
    }

    /// <summary>Metrics of the time between two samples; a value of -1 is one that was not written.</summary>
    private static (nvmlReturn_t Result, double Value, string? ShortName, string? LongName, string? Unit)[] Metrics(params uint[] ids)
    {
        nvmlGpmSample_t first;
        nvmlGpmSample_t second;
        nvmlGpmSampleAlloc(&first).Should().Be(NVML_SUCCESS);
        nvmlGpmSampleAlloc(&second).Should().Be(NVML_SUCCESS);
        nvmlGpmSampleGet(Gpu(0), first).Should().Be(NVML_SUCCESS);
        nvmlGpmSampleGet(Gpu(0), second).Should().Be(NVML_SUCCESS);
        nvmlGpmMetricsGet_t get = new()
        {
            version = NVML_GPM_METRICS_GET_VERSION,
            numMetrics = (uint)ids.Length,
            sample1 = first,
            sample2 = second,
        };
        Span<nvmlGpmMetric_t> metrics = get.metrics;
        for (int i = 0; i < ids.Length; i++)
            (metrics[i].metricId, metrics[i].value) = (ids[i], -1);
        nvmlGpmMetricsGet(&get).Should().Be(NVML_SUCCESS);
        nvmlGpmSampleFree(first);
        nvmlGpmSampleFree(second);
        return [.. metrics[..ids.Length].ToArray().Select(metric => (
            metric.nvmlReturn,
            metric.value,
            Marshal.PtrToStringUTF8((nint)metric.metricInfo.shortName),
            Marshal.PtrToStringUTF8((nint)metric.metricInfo.longName),
            Marshal.PtrToStringUTF8((nint)metric.metricInfo.unit)))];
    }
}
