using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

// Probes of the driver. Only reads.
internal sealed unsafe partial class NativeGpu
{
    /// <summary><paramref name="profile"/> is one with several placements; null if the GPU has none.</summary>
    public DriverProbe ProbeDriver(GpuInstanceProfile? profile)
    {
        using CallScope scope = Session.Enter();
        List<StructVersionSupport> versions = [];
        List<DriverQuirk> quirks = [];
        ProbeGeneralStructs(versions);
        if (profile is not null)
        {
            ProbeProfileInfo((uint)profile.Number, versions, quirks);
            ProbeLists((uint)profile.Id, quirks);
        }

        return new DriverProbe(versions, quirks);
    }

    private static void Add(List<StructVersionSupport> versions, string structure, int version, string function, nvmlReturn_t result) =>
        versions.Add(new StructVersionSupport(structure, version, function, (NvmlReturnCode)result));

    private void ProbeGeneralStructs(List<StructVersionSupport> versions)
    {
        nvmlMemory_v2_t memory = new() { version = nvmlMemory_v2_t.Version };
        const string memoryInfo = nameof(nvmlDeviceGetMemoryInfo_v2);
        Add(versions, "nvmlMemory", 2, memoryInfo, Has(memoryInfo)
            ? nvmlDeviceGetMemoryInfo_v2(Handle, &memory)
            : NVML_ERROR_FUNCTION_NOT_FOUND);

        nvmlSystemDriverBranchInfo_t branch = new() { version = nvmlSystemDriverBranchInfo_t.Version };
        const string driverBranch = nameof(nvmlSystemGetDriverBranch);
        Add(versions, "nvmlSystemDriverBranchInfo", 1, driverBranch, Has(driverBranch)
            ? nvmlSystemGetDriverBranch(&branch, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE)
            : NVML_ERROR_FUNCTION_NOT_FOUND);

        nvmlGpmSupport_t support = new() { version = NVML_GPM_SUPPORT_VERSION };
        const string gpmSupport = nameof(nvmlGpmQueryDeviceSupport);
        Add(versions, "nvmlGpmSupport", 1, gpmSupport, Has(gpmSupport)
            ? nvmlGpmQueryDeviceSupport(Handle, &support)
            : NVML_ERROR_FUNCTION_NOT_FOUND);
    }

    private void ProbeProfileInfo(uint number, List<StructVersionSupport> versions, List<DriverQuirk> quirks)
    {
        const string structure = "nvmlGpuInstanceProfileInfo";
        nvmlGpuInstanceProfileInfo_t first;
        const string unversioned = nameof(nvmlDeviceGetGpuInstanceProfileInfo);
        Add(versions, structure, 1, unversioned, Has(unversioned)
            ? nvmlDeviceGetGpuInstanceProfileInfo(Handle, number, &first)
            : NVML_ERROR_FUNCTION_NOT_FOUND);
        const string function = nameof(nvmlDeviceGetGpuInstanceProfileInfoV);
        if (!Has(function))
        {
            Add(versions, structure, 2, function, NVML_ERROR_FUNCTION_NOT_FOUND);
            Add(versions, structure, 3, function, NVML_ERROR_FUNCTION_NOT_FOUND);
            return;
        }

        nvmlGpuInstanceProfileInfo_v2_t second = new() { version = nvmlGpuInstanceProfileInfo_v2_t.Version };
        nvmlReturn_t result = nvmlDeviceGetGpuInstanceProfileInfoV(Handle, number, &second);
        Add(versions, structure, 2, function, result);
        if (result == NVML_SUCCESS && second.version == 0)
        {
            quirks.Add(new DriverQuirk(
                "ClearsStructVersion", $"{function} clears the version member, so that the same struct cannot be passed again as it is."));
        }

        nvmlGpuInstanceProfileInfo_v3_t third = new() { version = nvmlGpuInstanceProfileInfo_v3_t.Version };
        result = nvmlDeviceGetGpuInstanceProfileInfoV(Handle, number, (nvmlGpuInstanceProfileInfo_v2_t*)&third);
        Add(versions, structure, 3, function, result);
        if (result == NVML_SUCCESS && third.name[0] == 0)
        {
            quirks.Add(new DriverQuirk(
                "MisplacesProfileName",
                $"{function} leaves the name of version 3 empty and writes a wrong one behind it; names come from version 2."));
        }

        nvmlGpuInstanceProfileInfo_v2_t wrong = default;
        if (nvmlDeviceGetGpuInstanceProfileInfoV(Handle, number, &wrong) != NVML_ERROR_ARGUMENT_VERSION_MISMATCH)
        {
            quirks.Add(new DriverQuirk(
                "HidesVersionMismatch",
                $"{function} answers a version that it does not know with a code other than {NVML_ERROR_ARGUMENT_VERSION_MISMATCH}."));
        }
    }

    private void ProbeLists(uint profileId, List<DriverQuirk> quirks)
    {
        // The buffer holds more than any driver writes; the count says that it holds one.
        nvmlGpuInstancePlacement_t* placements = stackalloc nvmlGpuInstancePlacement_t[MaxPlacements];
        new Span<nvmlGpuInstancePlacement_t>(placements, MaxPlacements).Clear();
        uint count = 1;
        nvmlReturn_t result = nvmlDeviceGetGpuInstancePossiblePlacements_v2(Handle, profileId, placements, &count);
        if (result == NVML_SUCCESS && placements[1].size != 0)
        {
            quirks.Add(new DriverQuirk(
                "OverrunsPlacements",
                $"{nameof(nvmlDeviceGetGpuInstancePossiblePlacements_v2)} writes all placements, however few the buffer is said to hold."));
        }

        count = 0;
        if (nvmlDeviceGetGpuInstances(Handle, profileId, null, &count) == NVML_ERROR_INVALID_ARGUMENT)
        {
            quirks.Add(new DriverQuirk(
                "CountsNoInstances",
                $"{nameof(nvmlDeviceGetGpuInstances)} does not say how many instances there are when it is given no buffer."));
        }
    }

    private bool Has(string function) => Session.Library.Has(function);
}
