using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace Nvml.Mig.Simulator;

/// <summary>The stub's controls, as native-stubs/include/nvml_stub.h declares them.</summary>
internal static unsafe partial class StubControls
{
    private const string Name = "nvml-stub";

    static StubControls() => NativeLibrary.SetDllImportResolver(typeof(StubControls).Assembly, Resolve);

    private static readonly string[] Folders =
    [
        // Where the host found the native libraries of packages: beside the program, or below it by runtime identifier.
        .. (AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries),
        AppContext.BaseDirectory,
    ];

    /// <summary>The stub, which has a name of its own: nobody who looks for the driver's library finds it by accident.</summary>
    public static string LibraryPath { get; } = Find("libnvml-stub.so");

    /// <summary>The stand-in for CUDA's MPS, under a name of its own likewise.</summary>
    public static string MpsPath { get; } = Find("mps-stub");

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubConfigure(string gpus, string? stateFile, string? driver, byte* message, uint messageLength);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubReset(string gpus, string stateFile, byte* message, uint messageLength);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial ulong nvmlStubGetCallCount(string? function);

    [LibraryImport(Name)]
    public static partial nvmlStubAbiFact_t* nvmlStubGetAbi(uint* count);

    [LibraryImport(Name)]
    public static partial int nvmlStubGetModel(uint index, nvmlStubModel_t* model);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubSetLatency(string? latency, byte* message, uint messageLength);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubSetFaults(string? faults, byte* message, uint messageLength);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubSetPrivileges(string? privileges, byte* message, uint messageLength);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubStartProcess(
        uint gpu, int gpuInstance, int computeInstance, uint pid, string? name, uint memoryMiB, uint kind);

    [LibraryImport(Name)]
    public static partial int nvmlStubEndProcess(uint pid);

    [LibraryImport(Name)]
    public static partial int nvmlStubRaiseXid(uint gpu, int gpuInstance, int computeInstance, uint xid);

    [LibraryImport(Name)]
    public static partial int nvmlStubSetHealth(
        uint gpu, uint persistenceMode, uint rowRemapPending, uint rowRemapFailed, uint uncorrectedEccErrors);

    [LibraryImport(Name)]
    public static partial int nvmlStubResetGpu(uint gpu);

    [LibraryImport(Name)]
    public static partial int nvmlStubSetActivity(uint gpu, int gpuInstance, int percent);

    [LibraryImport(Name)]
    public static partial ulong nvmlStubGetLostEvents();

    [LibraryImport(Name)]
    public static partial int nvmlStubReloadModule();

    [LibraryImport(Name)]
    public static partial int nvmlStubReboot();

    private static string Find(string file) =>
        Folders.Select(folder => Path.Combine(folder, file)).FirstOrDefault(File.Exists) ?? Path.Combine(AppContext.BaseDirectory, file);

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name != Name ? 0 // not ours to find
            : File.Exists(LibraryPath) ? NativeLibrary.Load(LibraryPath)
            : throw new DllNotFoundException(
                $"The simulated driver, {Path.GetFileName(LibraryPath)}, is in none of "
                    + $"{string.Join(", ", Folders.Distinct(StringComparer.Ordinal))}. There is one for Linux on x86-64 and on arm64, "
                    + "and it must stay with the program.");
}

/// <summary>A GPU model, as nvmlStubGetModel describes it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlStubModel_t
{
    public byte* key;
    public byte* name;
    public byte* note;
    public uint simulated;
    public uint mig;
    public uint memoryMiB;
    public uint bar1MiB;
    public uint memoryDerived;
    public uint bar1Derived;
}

/// <summary>One fact of the stub's compiler about NVML's declarations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlStubAbiFact_t
{
    public byte* name;
    public long value;
}
