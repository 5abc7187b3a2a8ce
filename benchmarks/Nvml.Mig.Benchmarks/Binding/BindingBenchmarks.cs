using System.Runtime.InteropServices;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using Nvml.Mig.Benchmarks.Running;
using Nvml.Mig.Interop;
using Nvml.Mig.Native;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Binding;

/// <summary>
/// The cost of one operation above the native call in it: a bare function pointer (with what a C program does around it), the library's
/// LibraryImport declarations, and the public API. On an A100 of the simulated driver, which takes no time of its own; the same calls
/// reach the same driver, so that what differs is ours.
/// </summary>
[GroupBenchmarksBy(BenchmarkLogicalGroupRule.ByCategory)]
[CategoriesColumn]
public unsafe class BindingBenchmarks : ICountNativeCalls
{
    private const string Mode = "Mode";
    private const string Name = "Name";
    private const string Profile = "Profile";
    private const string Placements = "Placements";
    private const string CreateAndDestroy = "Create + destroy";

    private NvmlSession _session = null!;
    private GpuDevice _gpu = null!;
    private NativeGpu _native = null!;
    private nvmlDevice_t _handle;
    private GpuInstanceProfile _profile = null!;
    private PlainC _c = null!;

    public NvmlSimulator Simulator { get; private set; } = null!;

    [GlobalSetup]
    public void Open()
    {
        Simulator = NvmlSimulator.Start("A100-SXM4-40GB");
        _session = NvmlSession.Open(Simulator.LibraryPath);
        _gpu = _session.Devices[0];
        _gpu.EnableMig();
        _profile = _gpu.GetGpuInstanceProfile("1g.5gb");
        nvmlDevice_t handle;
        PlainC.Check(LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &handle));
        _handle = handle;
        _native = _gpu.Native;
        _c = new PlainC(Simulator.LibraryPath);
    }

    [GlobalCleanup]
    public void Close()
    {
        _session.Dispose();
        Simulator.Dispose();
    }

    [BenchmarkCategory(Mode)]
    [Benchmark(Baseline = true, Description = "C")]
    public uint ModeInC()
    {
        uint current, pending;
        PlainC.Check(_c.GetMigMode(_handle, &current, &pending));
        return current;
    }

    [BenchmarkCategory(Mode)]
    [Benchmark(Description = "LibraryImport")]
    public uint ModeByLibraryImport()
    {
        uint current, pending;
        PlainC.Check(LibNvml.nvmlDeviceGetMigMode(_handle, &current, &pending));
        return current;
    }

    [BenchmarkCategory(Mode)]
    [Benchmark(Description = "GpuDevice.GetMigMode")]
    public MigMode ModeByApi() => _gpu.GetMigMode();

    [BenchmarkCategory(Name)]
    [Benchmark(Baseline = true, Description = "C with strdup")]
    public void NameInC() => PlainC.Check(_c.CopyName(_c.GetName, _handle));

    [BenchmarkCategory(Name)]
    [Benchmark(Description = "LibraryImport, string")]
    public string NameByLibraryImport()
    {
        byte* name = stackalloc byte[LibNvml.NVML_DEVICE_NAME_V2_BUFFER_SIZE];
        PlainC.Check(LibNvml.nvmlDeviceGetName(_handle, name, LibNvml.NVML_DEVICE_NAME_V2_BUFFER_SIZE));
        return Marshal.PtrToStringUTF8((nint)name)!;
    }

    /// <summary>The first read of the property.</summary>
    [BenchmarkCategory(Name)]
    [Benchmark(Description = "GpuDevice.Name, first")]
    public string NameByApi() => _native.GetName();

    [BenchmarkCategory(Name)]
    [Benchmark(Description = "GpuDevice.Name, again")]
    public string NameByApiAgain() => _gpu.Name;

    [BenchmarkCategory(Profile)]
    [Benchmark(Baseline = true, Description = "C")]
    public uint ProfileInC()
    {
        nvmlGpuInstanceProfileInfo_v2_t info;
        info.version = nvmlGpuInstanceProfileInfo_v2_t.Version;
        PlainC.Check(_c.GetProfile(_handle, 0, &info));
        return info.id;
    }

    [BenchmarkCategory(Profile)]
    [Benchmark(Description = "LibraryImport")]
    public uint ProfileByLibraryImport()
    {
        nvmlGpuInstanceProfileInfo_v2_t info;
        info.version = nvmlGpuInstanceProfileInfo_v2_t.Version;
        PlainC.Check(LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV(_handle, 0, &info));
        return info.id;
    }

    /// <summary>One of those that GetGpuInstanceProfiles reads the first time, as an object with a name.</summary>
    [BenchmarkCategory(Profile)]
    [Benchmark(Description = "GetGpuInstanceProfiles, first, each")]
    public GpuInstanceProfile? ProfileByApi() => _native.GetGpuInstanceProfile(0, out _);

    [BenchmarkCategory(Profile)]
    [Benchmark(Description = "GetGpuInstanceProfile(19), again")]
    public GpuInstanceProfile ProfileByApiAgain() => _gpu.GetGpuInstanceProfile(19);

    [BenchmarkCategory(Placements)]
    [Benchmark(Baseline = true, Description = "C with malloc")]
    public void PlacementsInC() => PlainC.Check(_c.CopyPlacements(_c.GetPlacements, _handle, (uint)_profile.Id));

    [BenchmarkCategory(Placements)]
    [Benchmark(Description = "LibraryImport, array")]
    public Placement[] PlacementsByLibraryImport()
    {
        nvmlGpuInstancePlacement_t* buffer = stackalloc nvmlGpuInstancePlacement_t[256];
        uint count = 256;
        PlainC.Check(LibNvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(_handle, (uint)_profile.Id, buffer, &count));
        return new ReadOnlySpan<Placement>(buffer, (int)count).ToArray();
    }

    /// <summary>The first call of the method.</summary>
    [BenchmarkCategory(Placements)]
    [Benchmark(Description = "GpuDevice.GetPossiblePlacements, first")]
    public IReadOnlyList<Placement> PlacementsByApi() => _native.GetPossiblePlacements(_profile);

    [BenchmarkCategory(Placements)]
    [Benchmark(Description = "GpuDevice.GetPossiblePlacements, again")]
    public IReadOnlyList<Placement> PlacementsByApiAgain() => _gpu.GetPossiblePlacements(_profile);

    [BenchmarkCategory(CreateAndDestroy)]
    [Benchmark(Baseline = true, Description = "C")]
    public void CreateAndDestroyInC()
    {
        nvmlGpuInstance_t instance;
        PlainC.Check(_c.Create(_handle, (uint)_profile.Id, &instance));
        PlainC.Check(_c.Destroy(instance));
    }

    /// <summary>
    /// With the two questions that the public API asks: what the driver has made of the request, and before destroying whether it is still
    /// the same. NVML tells neither otherwise.
    /// </summary>
    [BenchmarkCategory(CreateAndDestroy)]
    [Benchmark(Description = "C, with the same questions")]
    public uint CreateAskAndDestroyInC()
    {
        nvmlGpuInstance_t instance;
        nvmlGpuInstanceInfo_t info;
        PlainC.Check(_c.Create(_handle, (uint)_profile.Id, &instance));
        PlainC.Check(_c.GetInfo(instance, &info));
        uint id = info.id;
        PlainC.Check(_c.GetInfo(instance, &info));
        PlainC.Check(_c.Destroy(instance));
        return info.id - id;
    }

    [BenchmarkCategory(CreateAndDestroy)]
    [Benchmark(Description = "LibraryImport")]
    public void CreateAndDestroyByLibraryImport()
    {
        nvmlGpuInstance_t instance;
        PlainC.Check(LibNvml.nvmlDeviceCreateGpuInstance(_handle, (uint)_profile.Id, &instance));
        PlainC.Check(LibNvml.nvmlGpuInstanceDestroy(instance));
    }

    [BenchmarkCategory(CreateAndDestroy)]
    [Benchmark(Description = "CreateGpuInstance, Destroy")]
    public void CreateAndDestroyByApi() => _gpu.CreateGpuInstance(_profile).Destroy();
}
