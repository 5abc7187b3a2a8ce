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

    /// <summary>
    /// The stub beside this program: in a folder of its own, where nobody who looks for the driver's library finds it by accident.
    /// </summary>
    public static string LibraryPath { get; } = Path.Combine(AppContext.BaseDirectory, "nvml-stub", "libnvidia-ml.so.1");

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int nvmlStubConfigure(string gpus, string? stateFile, byte* message, uint messageLength);

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
    public static partial int nvmlStubReboot();

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name == Name ? NativeLibrary.Load(LibraryPath) : 0;
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
}

/// <summary>One fact of the stub's compiler about NVML's declarations.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct nvmlStubAbiFact_t
{
    public byte* name;
    public long value;
}
