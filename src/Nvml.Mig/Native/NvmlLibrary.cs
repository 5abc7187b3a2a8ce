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

    /// <summary>The function in errors of loading.</summary>
    private const string Loader = "dlopen";

    private const string WhyAbsolute =
        "The path of the NVML library must be: with a relative one, the current directory would decide what runs.";

    /// <summary>The functions that are declared, as they are marked there, and whether a driver must have them.</summary>
    public static readonly IReadOnlyDictionary<string, bool> Functions = ReadFunctions();

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
    /// <exception cref="PlatformNotSupportedException">
    /// This is no 64-bit, little-endian Linux, for which the structs are declared.
    /// </exception>
    public static NvmlLibrary Load(string? libraryPath)
    {
        if (!OperatingSystem.IsLinux() || !Environment.Is64BitProcess || !BitConverter.IsLittleEndian)
            throw new PlatformNotSupportedException("Nvml.Mig runs on 64-bit, little-endian Linux only.");
        string[] candidates = Candidates(libraryPath);
        lock (Loading)
        {
            if (_loaded is null)
                return _loaded = LoadFirst(candidates);
            if (candidates.Contains(_loaded.Path, StringComparer.Ordinal))
                return _loaded;
            throw new InvalidOperationException(
                $"This process already uses the NVML library {_loaded.Path} and cannot use {candidates[0]} as well: a process has one NVML."
                + " Use another process for it.");
        }
    }

    /// <summary>The trimmer sees this call and keeps the methods with their attributes.</summary>
    private static Dictionary<string, bool> ReadFunctions()
    {
        Dictionary<string, bool> functions = new(StringComparer.Ordinal);
        foreach (MethodInfo method in typeof(LibNvml).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly))
        {
            if (method.IsDefined(typeof(RequiredFunctionAttribute), inherit: false))
                functions.Add(method.Name, true);
            else if (method.IsDefined(typeof(OptionalFunctionAttribute), inherit: false))
                functions.Add(method.Name, false);
        }

        return functions;
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
                NvmlReturnCode.LibraryNotFound, Loader, $"{PathVariable} is '{fromEnvironment}', which is not absolute. {WhyAbsolute}");
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
                return Functions.FirstOrDefault(function => function.Value && !library.Has(function.Key)).Key is { } missing
                    ? throw TooOld(candidate, missing)
                    : library;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                failures.Add($"{candidate} ({Reason(candidate, e)})");
            }
        }

        throw new NvmlLibraryException(
            NvmlReturnCode.LibraryNotFound,
            Loader,
            $"The NVML library could not be loaded {NvmlErrors.Tag(NvmlReturnCode.LibraryNotFound)}: tried {string.Join(", ", failures)}. "
            + $"It comes with the NVIDIA driver: install that, or name the library's absolute path in {PathVariable}.");
    }

    private static NvmlLibraryException NotNvml(string path) => Unfit(
        path,
        nameof(LibNvml.nvmlInit_v2),
        $"is not NVML: it has no function {nameof(LibNvml.nvmlInit_v2)}",
        $". NVML is called {Soname} and comes with the NVIDIA driver.");

    private static NvmlLibraryException TooOld(string path, string missing) => Unfit(
        path,
        missing,
        $"has no function {missing}",
        ": the driver is older than R470, the oldest that is supported, or so new that it has dropped it.");

    private static NvmlLibraryException Unfit(string path, string function, string problem, string advice) => new(
        NvmlReturnCode.FunctionNotFound, function, $"{path} {problem} {NvmlErrors.Tag(NvmlReturnCode.FunctionNotFound)}{advice}");

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
