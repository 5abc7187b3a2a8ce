using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.InteropServices;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Native;

/// <summary>
/// The NVML library that this process uses. There is one at most: .NET binds an import once, and NVML's own state is one per
/// process anyway.
/// </summary>
internal sealed class NvmlLibrary
{
    /// <summary>The environment variable that names the library. Absolute paths only: the caller is often root.</summary>
    public const string PathVariable = "NVML_LIBRARY_PATH";

    private const string Soname = "libnvidia-ml.so.1";

    /// <summary>Where Windows Subsystem for Linux puts the driver's libraries, outside the loader's path.</summary>
    private const string WslPath = "/usr/lib/wsl/lib/" + Soname;

    private const string WhyAbsolute =
        "The path of the NVML library must be: with a relative one, the current directory would decide what runs.";

    /// <summary>
    /// Functions that a driver may lack: those that came after the R470 branch, the oldest that is supported, older ones that take their
    /// place, and readings that a later driver may drop. Callers ask <see cref="Has"/> before they use one.
    /// </summary>
    public static readonly IReadOnlyList<string> OptionalFunctions =
    [
        nameof(LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV),
        nameof(LibNvml.nvmlDeviceGetGpuInstanceProfileInfoByIdV),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstanceProfileInfoV),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstancePossiblePlacements),
        nameof(LibNvml.nvmlGpuInstanceCreateComputeInstanceWithPlacement),
        nameof(LibNvml.nvmlDeviceGetMemoryInfo_v2),
        nameof(LibNvml.nvmlDeviceGetComputeRunningProcesses_v3),
        nameof(LibNvml.nvmlDeviceGetGraphicsRunningProcesses_v3),
        nameof(LibNvml.nvmlDeviceGetMPSComputeRunningProcesses_v3),
        nameof(LibNvml.nvmlDeviceGetGpuFabricInfo),
        nameof(LibNvml.nvmlSystemGetDriverBranch),
        nameof(LibNvml.nvmlGpmQueryDeviceSupport),
        nameof(LibNvml.nvmlGpmSampleAlloc),
        nameof(LibNvml.nvmlGpmSampleFree),
        nameof(LibNvml.nvmlGpmSampleGet),
        nameof(LibNvml.nvmlGpmMigSampleGet),
        nameof(LibNvml.nvmlGpmMetricsGet),
        nameof(LibNvml.nvmlDeviceGetGpuInstanceProfileInfo),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstanceProfileInfo),
        nameof(LibNvml.nvmlInitWithFlags),
        nameof(LibNvml.nvmlSystemGetCudaDriverVersion_v2),
        nameof(LibNvml.nvmlSystemGetProcessName),
        nameof(LibNvml.nvmlDeviceGetHandleBySerial),
        nameof(LibNvml.nvmlDeviceGetMinorNumber),
        nameof(LibNvml.nvmlDeviceGetSerial),
        nameof(LibNvml.nvmlDeviceGetBrand),
        nameof(LibNvml.nvmlDeviceGetArchitecture),
        nameof(LibNvml.nvmlDeviceGetCudaComputeCapability),
        nameof(LibNvml.nvmlDeviceGetVbiosVersion),
        nameof(LibNvml.nvmlDeviceGetPersistenceMode),
        nameof(LibNvml.nvmlDeviceGetComputeMode),
        nameof(LibNvml.nvmlDeviceGetVirtualizationMode),
        nameof(LibNvml.nvmlDeviceGetAttributes_v2),
        nameof(LibNvml.nvmlDeviceGetMemoryInfo),
        nameof(LibNvml.nvmlDeviceGetBAR1MemoryInfo),
        nameof(LibNvml.nvmlDeviceGetComputeRunningProcesses_v2),
        nameof(LibNvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
        nameof(LibNvml.nvmlDeviceGetMPSComputeRunningProcesses_v2),
        nameof(LibNvml.nvmlDeviceGetUtilizationRates),
        nameof(LibNvml.nvmlDeviceGetTemperature),
        nameof(LibNvml.nvmlDeviceGetPowerUsage),
        nameof(LibNvml.nvmlDeviceGetEnforcedPowerLimit),
        nameof(LibNvml.nvmlDeviceGetTotalEccErrors),
        nameof(LibNvml.nvmlDeviceGetMemoryErrorCounter),
        nameof(LibNvml.nvmlDeviceGetRemappedRows),
        nameof(LibNvml.nvmlDeviceGetFieldValues),
        nameof(LibNvml.nvmlDeviceGetSupportedEventTypes),
        nameof(LibNvml.nvmlDeviceRegisterEvents),
        nameof(LibNvml.nvmlEventSetCreate),
        nameof(LibNvml.nvmlEventSetWait_v2),
        nameof(LibNvml.nvmlEventSetFree),
    ];

    /// <summary>
    /// Functions without which GPUs cannot be told apart and divided. A library without one of them is refused when it is loaded, so that
    /// nothing is found missing in the middle of a change.
    /// </summary>
    public static readonly IReadOnlyList<string> RequiredFunctions =
    [
        nameof(LibNvml.nvmlInit_v2),
        nameof(LibNvml.nvmlShutdown),
        nameof(LibNvml.nvmlErrorString),
        nameof(LibNvml.nvmlSystemGetDriverVersion),
        nameof(LibNvml.nvmlSystemGetNVMLVersion),
        nameof(LibNvml.nvmlDeviceGetCount_v2),
        nameof(LibNvml.nvmlDeviceGetHandleByIndex_v2),
        nameof(LibNvml.nvmlDeviceGetHandleByUUID),
        nameof(LibNvml.nvmlDeviceGetHandleByPciBusId_v2),
        nameof(LibNvml.nvmlDeviceGetName),
        nameof(LibNvml.nvmlDeviceGetUUID),
        nameof(LibNvml.nvmlDeviceGetIndex),
        nameof(LibNvml.nvmlDeviceGetPciInfo_v3),
        nameof(LibNvml.nvmlDeviceSetMigMode),
        nameof(LibNvml.nvmlDeviceGetMigMode),
        nameof(LibNvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2),
        nameof(LibNvml.nvmlDeviceGetGpuInstanceRemainingCapacity),
        nameof(LibNvml.nvmlDeviceCreateGpuInstance),
        nameof(LibNvml.nvmlDeviceCreateGpuInstanceWithPlacement),
        nameof(LibNvml.nvmlGpuInstanceDestroy),
        nameof(LibNvml.nvmlDeviceGetGpuInstances),
        nameof(LibNvml.nvmlDeviceGetGpuInstanceById),
        nameof(LibNvml.nvmlGpuInstanceGetInfo),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstanceRemainingCapacity),
        nameof(LibNvml.nvmlGpuInstanceCreateComputeInstance),
        nameof(LibNvml.nvmlComputeInstanceDestroy),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstances),
        nameof(LibNvml.nvmlGpuInstanceGetComputeInstanceById),
        nameof(LibNvml.nvmlComputeInstanceGetInfo_v2),
        nameof(LibNvml.nvmlDeviceIsMigDeviceHandle),
        nameof(LibNvml.nvmlDeviceGetGpuInstanceId),
        nameof(LibNvml.nvmlDeviceGetComputeInstanceId),
        nameof(LibNvml.nvmlDeviceGetMaxMigDeviceCount),
        nameof(LibNvml.nvmlDeviceGetMigDeviceHandleByIndex),
        nameof(LibNvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle),
    ];

    private static readonly Lock Loading = new();
    private static NvmlLibrary? _loaded;

    private readonly ConcurrentDictionary<string, bool> _functions = new(StringComparer.Ordinal);
    private readonly nint _handle;

    static NvmlLibrary() => NativeLibrary.SetDllImportResolver(typeof(NvmlLibrary).Assembly, Resolve);

    private NvmlLibrary(string path, nint handle)
    {
        Path = path;
        _handle = handle;
    }

    /// <summary>The path or, where the loader searched, the name that it was loaded by.</summary>
    public string Path { get; }

    /// <summary>Whether the library has a function. Drivers older than the function do not. Looked up once.</summary>
    public bool Has(string function) =>
        _functions.GetOrAdd(function, static (name, handle) => NativeLibrary.TryGetExport(handle, name, out _), _handle);

    /// <summary>
    /// Loads the library that <paramref name="libraryPath"/> names, else the one that the environment variable names, else the
    /// driver's.
    /// </summary>
    /// <exception cref="NvmlLibraryException">None of them can be loaded, or it is not NVML.</exception>
    /// <exception cref="ArgumentException">The path is not absolute.</exception>
    /// <exception cref="InvalidOperationException">This process already uses another library.</exception>
    /// <exception cref="PlatformNotSupportedException">It is not a 64-bit, little-endian Linux, for which alone the structs are declared.</exception>
    public static NvmlLibrary Load(string? libraryPath)
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess || !BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Nvml.Mig knows NVML's structs as 64-bit, little-endian Linux has them, and no others.");
        string[] candidates = Candidates(libraryPath);
        lock (Loading)
        {
            if (_loaded is null)
                return _loaded = LoadFirst(candidates);
            if (candidates.Contains(_loaded.Path, StringComparer.Ordinal))
                return _loaded;
            throw new InvalidOperationException(
                $"This process already uses the NVML library {_loaded.Path} and cannot use {candidates[0]} as well: a process has one NVML. Use another process for it.");
        }
    }

    private static string[] Candidates(string? libraryPath)
    {
        if (libraryPath is not null)
        {
            return System.IO.Path.IsPathFullyQualified(libraryPath)
                ? [libraryPath]
                : throw new ArgumentException($"'{libraryPath}' is not absolute. {WhyAbsolute}", nameof(libraryPath));
        }

        string? fromEnvironment = Environment.GetEnvironmentVariable(PathVariable);
        if (string.IsNullOrEmpty(fromEnvironment))
            return [Soname, WslPath];
        return System.IO.Path.IsPathFullyQualified(fromEnvironment)
            ? [fromEnvironment]
            : throw new NvmlLibraryException(
                NvmlReturnCode.LibraryNotFound, "dlopen", $"{PathVariable} is '{fromEnvironment}', which is not absolute. {WhyAbsolute}");
    }

    private static NvmlLibrary LoadFirst(string[] candidates)
    {
        List<string> failures = [];
        foreach (string candidate in candidates)
        {
            try
            {
                // The overload without an assembly: no probing beside the program, where a library of that name could pass
                // for the driver's.
                NvmlLibrary library = new(candidate, NativeLibrary.Load(candidate));
                if (!library.Has(nameof(LibNvml.nvmlInit_v2)))
                    throw NotNvml(candidate);
                return RequiredFunctions.FirstOrDefault(function => !library.Has(function)) is { } missing
                    ? throw Unfit(candidate, missing)
                    : library;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                failures.Add($"{candidate} ({Reason(candidate, e)})");
            }
        }

        throw new NvmlLibraryException(
            NvmlReturnCode.LibraryNotFound,
            "dlopen",
            $"The NVML library could not be loaded (NVML_ERROR_LIBRARY_NOT_FOUND, 12): tried {string.Join(", ", failures)}. It comes with the NVIDIA driver: install that, or name the library's absolute path in {PathVariable}.");
    }

    private static NvmlLibraryException NotNvml(string path) =>
        new(
            NvmlReturnCode.FunctionNotFound,
            nameof(LibNvml.nvmlInit_v2),
            $"{path} is not NVML: it has no function nvmlInit_v2 (NVML_ERROR_FUNCTION_NOT_FOUND, 13). NVML is called {Soname} and comes with the NVIDIA driver.");

    private static NvmlLibraryException Unfit(string path, string missing) =>
        new(
            NvmlReturnCode.FunctionNotFound,
            missing,
            $"{path} has no function {missing} (NVML_ERROR_FUNCTION_NOT_FOUND, 13): the driver is older than R470, the oldest that is supported, or so new that it has dropped it.");

    /// <summary>The loader's own line; .NET surrounds it with advice that does not apply.</summary>
    private static string Reason(string candidate, Exception e)
    {
        if (System.IO.Path.IsPathFullyQualified(candidate) && !File.Exists(candidate))
            return "no such file";
        string prefix = candidate + ": ";
        string? line = e.Message.Split('\n').LastOrDefault(l => l.StartsWith(prefix, StringComparison.Ordinal));
        return line is null ? "cannot be loaded" : line[prefix.Length..].Trim();
    }

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? searchPath) =>
        name != LibNvml.Name ? 0 // not ours to find
            : _loaded is { } library ? library._handle
            : throw new DllNotFoundException($"{name} was called before a session was opened.");
}
