using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

// Readings of a GPU as a whole.
internal sealed unsafe partial class NativeGpu
{
    /// <summary>No type of a field's value: the driver has written none.</summary>
    private const uint NoType = uint.MaxValue;

    public int GetMinorNumber() => (int)ReadNumber(&nvmlDeviceGetMinorNumber, nameof(nvmlDeviceGetMinorNumber), "read the minor number");

    public string GetSerial() =>
        ReadText(&nvmlDeviceGetSerial, NVML_DEVICE_SERIAL_BUFFER_SIZE, nameof(nvmlDeviceGetSerial), "read the serial number");

    public string GetVbiosVersion() => ReadText(
        &nvmlDeviceGetVbiosVersion, NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE, nameof(nvmlDeviceGetVbiosVersion), "read the VBIOS version");

    public uint GetBrand() => ReadNumber(&nvmlDeviceGetBrand, nameof(nvmlDeviceGetBrand), "read the brand");

    public uint GetArchitecture() => ReadNumber(&nvmlDeviceGetArchitecture, nameof(nvmlDeviceGetArchitecture), "read the architecture");

    public bool GetPersistenceMode() =>
        ReadNumber(&nvmlDeviceGetPersistenceMode, nameof(nvmlDeviceGetPersistenceMode), "read the persistence mode") != 0;

    public uint GetVirtualizationMode() =>
        ReadNumber(&nvmlDeviceGetVirtualizationMode, nameof(nvmlDeviceGetVirtualizationMode), "read the virtualization mode");

    public uint GetPowerUsage() => ReadNumber(&nvmlDeviceGetPowerUsage, nameof(nvmlDeviceGetPowerUsage), "read the power draw");

    public uint GetEnforcedPowerLimit() =>
        ReadNumber(&nvmlDeviceGetEnforcedPowerLimit, nameof(nvmlDeviceGetEnforcedPowerLimit), "read the power limit");

    public Version GetComputeCapability()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetCudaComputeCapability), "read the compute capability");
        int major;
        int minor;
        Check(
            nvmlDeviceGetCudaComputeCapability(Handle, &major, &minor),
            nameof(nvmlDeviceGetCudaComputeCapability),
            "read the compute capability");
        return new Version(major, minor);
    }

    public FabricInfo GetFabricInfo()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetGpuFabricInfo), "read the fabric state");
        nvmlGpuFabricInfo_t info;
        Check(nvmlDeviceGetGpuFabricInfo(Handle, &info), nameof(nvmlDeviceGetGpuFabricInfo), "read the fabric state");
        return new FabricInfo(
            (FabricState)info.state,
            (NvmlReturnCode)info.status,
            new Guid(new ReadOnlySpan<byte>(info.clusterUuid, 16), bigEndian: true),
            (int)info.cliqueId);
    }

    public GpuUtilization GetUtilization()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetUtilizationRates), "read the utilization");
        nvmlUtilization_t utilization;
        Check(nvmlDeviceGetUtilizationRates(Handle, &utilization), nameof(nvmlDeviceGetUtilizationRates), "read the utilization");
        return new GpuUtilization((int)utilization.gpu, (int)utilization.memory);
    }

    public int GetTemperature()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetTemperature), "read the temperature");
        uint celsius;
        Check(nvmlDeviceGetTemperature(Handle, NVML_TEMPERATURE_GPU, &celsius), nameof(nvmlDeviceGetTemperature), "read the temperature");
        return (int)celsius;
    }

    public RemappedRows GetRemappedRows()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetRemappedRows), "read the remapped rows");
        uint correctable;
        uint uncorrectable;
        uint isPending;
        uint hasFailed;
        Check(
            nvmlDeviceGetRemappedRows(Handle, &correctable, &uncorrectable, &isPending, &hasFailed),
            nameof(nvmlDeviceGetRemappedRows),
            "read the remapped rows");
        return new RemappedRows((int)correctable, (int)uncorrectable, isPending != 0, hasFailed != 0);
    }

    /// <summary>Both abilities in one native call.</summary>
    public MigFeatures GetMigFeatures()
    {
        FieldValue[] fields = GetFieldValues(
            [(int)NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, (int)NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE]);
        return new MigFeatures(IsSet(fields[0]), IsSet(fields[1]));

        static bool? IsSet(FieldValue field) => field.Code == NvmlReturnCode.Success ? field.ToInt64() != 0 : null;
    }

    public FieldValue[] GetFieldValues(ReadOnlySpan<int> ids)
    {
        if (ids.IsEmpty)
            return [];
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetFieldValues), "read field values");
        nvmlFieldValue_t[] values = new nvmlFieldValue_t[ids.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i].fieldId = (uint)ids[i];
            // Measured on driver 580: of some fields it writes neither code nor value, of others a code of success alone. These marks
            // stay where it writes nothing.
            values[i].nvmlReturn = NVML_ERROR_NO_DATA;
            values[i].valueType = NoType;
        }

        fixed (nvmlFieldValue_t* first = values)
            Check(nvmlDeviceGetFieldValues(Handle, values.Length, first), nameof(nvmlDeviceGetFieldValues), "read field values");
        return [.. values.Select(ToFieldValue)];
    }

    public ulong GetSupportedEventTypes()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetSupportedEventTypes), "read the supported events");
        ulong types;
        Check(nvmlDeviceGetSupportedEventTypes(Handle, &types), nameof(nvmlDeviceGetSupportedEventTypes), "read the supported events");
        return types;
    }

    /// <summary>Whether the GPU answers nothing any more.</summary>
    public bool IsLost()
    {
        using CallScope scope = Session.Enter();
        uint current;
        uint pending;
        return nvmlDeviceGetMigMode(Handle, &current, &pending) == NVML_ERROR_GPU_IS_LOST;
    }

    public bool IsGpmSupported()
    {
        using CallScope scope = Session.Enter();
        if (!Session.Library.Has(nameof(nvmlGpmQueryDeviceSupport)))
            return false;
        nvmlGpmSupport_t support = new() { version = NVML_GPM_SUPPORT_VERSION };
        nvmlReturn_t result = nvmlGpmQueryDeviceSupport(Handle, &support);
        if (result == NVML_ERROR_NOT_SUPPORTED)
            return false;
        Check(result, nameof(nvmlGpmQueryDeviceSupport), "read the GPM support");
        return support.isSupportedDevice != 0;
    }

    /// <summary>Takes a sample of the GPU, or of one of its GPU instances.</summary>
    public NativeGpmSample TakeGpmSample(int? gpuInstanceId)
    {
        using CallScope scope = Session.Enter();
        string act = gpuInstanceId is null ? "take a GPM sample" : "take a GPM sample of a GPU instance";
        Require(nameof(nvmlGpmSampleAlloc), act);
        Require(nameof(nvmlGpmSampleFree), act);
        Require(gpuInstanceId is null ? nameof(nvmlGpmSampleGet) : nameof(nvmlGpmMigSampleGet), act);
        NativeGpmSample sample = NativeGpmSample.Allocate(Session);
        bool isTaken = false;
        try
        {
            if (gpuInstanceId is { } id)
                Check(nvmlGpmMigSampleGet(Handle, (uint)id, sample.Native), nameof(nvmlGpmMigSampleGet), act);
            else
                Check(nvmlGpmSampleGet(Handle, sample.Native), nameof(nvmlGpmSampleGet), act);
            isTaken = true;
            return sample;
        }
        finally
        {
            if (!isTaken)
                sample.Dispose();
        }
    }

    /// <summary>
    /// The capabilities of a profile: version 3 of its information, of which driver 580 misplaces the name and nothing else. Null where the
    /// driver has no version 3.
    /// </summary>
    public uint? GetCapabilities(GpuInstanceProfile profile)
    {
        using CallScope scope = Session.Enter();
        if (!Session.Library.Has(nameof(nvmlDeviceGetGpuInstanceProfileInfoV)))
            return null;
        nvmlGpuInstanceProfileInfo_v3_t info = new() { version = nvmlGpuInstanceProfileInfo_v3_t.Version };
        nvmlGpuInstanceProfileInfo_v2_t* asked = (nvmlGpuInstanceProfileInfo_v2_t*)&info;
        nvmlReturn_t result = profile.Number == GpuInstanceProfile.UnknownNumber
            ? nvmlDeviceGetGpuInstanceProfileInfoByIdV(Handle, (uint)profile.Id, asked)
            : nvmlDeviceGetGpuInstanceProfileInfoV(Handle, (uint)profile.Number, asked);
        // Measured: a version that the driver does not know gives INVALID_ARGUMENT; the header speaks of the other.
        if (result is NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
            return null;
        if (result != NVML_SUCCESS)
            throw Failure(result, nameof(nvmlDeviceGetGpuInstanceProfileInfoV), $"read the capabilities of {profile.Name}");
        return info.capabilities;
    }

    public static FieldValue ToFieldValue(nvmlFieldValue_t native)
    {
        int id = (int)native.fieldId;
        // Measured: the driver leaves the rest as it was where it has no value.
        if (native.nvmlReturn != NVML_SUCCESS)
            return new FieldValue(id, (NvmlReturnCode)native.nvmlReturn);
        (Int128 Integer, double? Fraction)? value = native.valueType switch
        {
            NVML_VALUE_TYPE_DOUBLE => (0, native.value.dVal),
            NVML_VALUE_TYPE_UNSIGNED_INT => (native.value.uiVal, null),
            NVML_VALUE_TYPE_UNSIGNED_LONG => (native.value.ulVal, null),
            NVML_VALUE_TYPE_UNSIGNED_LONG_LONG => (native.value.ullVal, null),
            NVML_VALUE_TYPE_SIGNED_LONG_LONG => (native.value.sllVal, null),
            NVML_VALUE_TYPE_SIGNED_INT => (native.value.siVal, null),
            NVML_VALUE_TYPE_UNSIGNED_SHORT => (native.value.usVal, null),
            _ => null, // none was written, or one of a type of a newer driver
        };
        return value is { } known
            ? new FieldValue(id, DateTimeOffset.UnixEpoch.AddMicroseconds(native.timestamp), known.Integer, known.Fraction)
            : new FieldValue(id, NvmlReturnCode.NoData);
    }
}
