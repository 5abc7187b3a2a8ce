using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nvml.Mig.Interop;

[assembly: DisableRuntimeMarshalling]

namespace Nvml.Mig.Benchmarks.Binding;

/// <summary>NVML's functions as bare pointers, and the C functions of baseline.c: the least that a call from .NET can cost.</summary>
internal sealed unsafe class PlainC
{
    private static readonly nint Baseline = NativeLibrary.Load(Path.Combine(AppContext.BaseDirectory, "libbaseline.so"));

    public PlainC(string nvml)
    {
        nint library = NativeLibrary.Load(nvml); // the one that the session has loaded: the loader knows it by its path
        GetMigMode = (delegate* unmanaged[Cdecl]<nvmlDevice_t, uint*, uint*, nvmlReturn_t>)Get(nameof(LibNvml.nvmlDeviceGetMigMode));
        GetName = Get(nameof(LibNvml.nvmlDeviceGetName));
        GetPlacements = Get(nameof(LibNvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2));
        GetProfile = (delegate* unmanaged[Cdecl]<nvmlDevice_t, uint, nvmlGpuInstanceProfileInfo_v2_t*, nvmlReturn_t>)Get(
            nameof(LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV));
        Create = (delegate* unmanaged[Cdecl]<nvmlDevice_t, uint, nvmlGpuInstance_t*, nvmlReturn_t>)Get(
            nameof(LibNvml.nvmlDeviceCreateGpuInstance));
        GetInfo = (delegate* unmanaged[Cdecl]<nvmlGpuInstance_t, nvmlGpuInstanceInfo_t*, nvmlReturn_t>)Get(
            nameof(LibNvml.nvmlGpuInstanceGetInfo));
        Destroy = (delegate* unmanaged[Cdecl]<nvmlGpuInstance_t, nvmlReturn_t>)Get(nameof(LibNvml.nvmlGpuInstanceDestroy));
        CopyName = (delegate* unmanaged[Cdecl]<nint, nvmlDevice_t, nvmlReturn_t>)NativeLibrary.GetExport(Baseline, "baseline_name");
        CopyPlacements = (delegate* unmanaged[Cdecl]<nint, nvmlDevice_t, uint, nvmlReturn_t>)NativeLibrary.GetExport(
            Baseline, "baseline_placements");

        nint Get(string function) => NativeLibrary.GetExport(library, function);
    }

    public readonly delegate* unmanaged[Cdecl]<nvmlDevice_t, uint*, uint*, nvmlReturn_t> GetMigMode;
    public readonly delegate* unmanaged[Cdecl]<nvmlDevice_t, uint, nvmlGpuInstanceProfileInfo_v2_t*, nvmlReturn_t> GetProfile;
    public readonly delegate* unmanaged[Cdecl]<nvmlDevice_t, uint, nvmlGpuInstance_t*, nvmlReturn_t> Create;
    public readonly delegate* unmanaged[Cdecl]<nvmlGpuInstance_t, nvmlGpuInstanceInfo_t*, nvmlReturn_t> GetInfo;
    public readonly delegate* unmanaged[Cdecl]<nvmlGpuInstance_t, nvmlReturn_t> Destroy;

    /// <summary>The name into a buffer on C's stack, strdup of it, and free.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, nvmlDevice_t, nvmlReturn_t> CopyName;

    /// <summary>The placements into a buffer on C's stack, malloc of as many, a copy, and free.</summary>
    public readonly delegate* unmanaged[Cdecl]<nint, nvmlDevice_t, uint, nvmlReturn_t> CopyPlacements;

    public readonly nint GetName;
    public readonly nint GetPlacements;

    /// <summary>Throws if a call failed: a benchmark of failures would measure nothing.</summary>
    public static void Check(nvmlReturn_t result)
    {
        if (result != nvmlReturn_t.NVML_SUCCESS)
            Throw(result);
    }

    private static void Throw(nvmlReturn_t result) => throw new InvalidOperationException($"A measured call failed: {result}.");
}
