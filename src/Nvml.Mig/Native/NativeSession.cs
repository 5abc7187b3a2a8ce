using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;
using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>
/// One initialisation of NVML. Released exactly once, and only when no call is under way: NVML counts initialisations, and a
/// call after the last shutdown fails in the best of cases.
/// </summary>
internal sealed unsafe class NativeSession : SafeHandle
{
    /// <summary>
    /// Set when the session is closed. A SafeHandle alone refuses new calls only once the last one under way has ended, which
    /// callers that overlap can put off for ever.
    /// </summary>
    private volatile bool _closing;

    private StrongBox<bool>? _hasLongProcessInfo;

    private NativeSession(NvmlLibrary library, ILogger logger)
        : base(invalidHandleValue: 0, ownsHandle: true)
    {
        Library = library;
        Logger = new QuietLogger(logger);
    }

    public NvmlLibrary Library { get; }

    public ILogger Logger { get; }

    /// <summary>
    /// Whether changes are logged. If not, no text is put together: it would cost more than the calls of a driver that answers at once.
    /// </summary>
    public bool LogsChanges => Logger.IsEnabled(LogLevel.Information);

    public override bool IsInvalid => handle == 0;

    /// <summary>
    /// Whether version 3 of the process lists has longer elements than every other driver's: those of R535 before 535.98 did, without
    /// saying so (NVIDIA/go-nvml#75, gpuopenanalytics/pynvml#48). Asked once, in the caller's scope.
    /// </summary>
    public bool HasLongProcessInfo => (_hasLongProcessInfo ??= new StrongBox<bool>(IsLongProcessInfo(ReadDriverVersion()))).Value;

    /// <summary>Loads and initialises NVML.</summary>
    /// <exception cref="NvmlException">Either failed.</exception>
    public static NativeSession Open(string? libraryPath, ILogger logger, NvmlInitOptions options)
    {
        NativeSession session = new(NvmlLibrary.Load(libraryPath), logger);
        bool plain = options == NvmlInitOptions.None;
        nvmlReturn_t result = plain ? nvmlInit_v2()
            : session.Library.Has(nameof(nvmlInitWithFlags)) ? nvmlInitWithFlags((uint)options)
            : NVML_ERROR_FUNCTION_NOT_FOUND;
        if (result != NVML_SUCCESS)
        {
            string function = plain ? nameof(nvmlInit_v2) : nameof(nvmlInitWithFlags);
            throw session.Error(result, function, $"initialise NVML ({session.Library.Path})");
        }
        session.SetHandle(1);
        Log.SessionOpened(session.Logger, session.Library.Path);
        return session;
    }

    public static bool IsLongProcessInfo(string driverVersion) =>
        Version.TryParse(driverVersion, out Version? version) && version.Major == 535 && version.Minor is >= 43 and < 98;

    /// <summary>
    /// Begins a call scope. Every native call happens in one; one scope covers a change and what is read back of it, so that closing the
    /// session cannot come between them.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public CallScope Enter()
    {
        bool added = false;
        try
        {
            if (!_closing)
                DangerousAddRef(ref added);
        }
        catch (ObjectDisposedException)
        {
            // It was closed between the two lines above.
        }

        return added ? new CallScope(this) : throw Closed();
    }

    public uint GetDeviceCount()
    {
        using CallScope scope = Enter();
        uint count;
        Check(nvmlDeviceGetCount_v2(&count), nameof(nvmlDeviceGetCount_v2), "count the GPUs");
        return count;
    }

    public string GetDriverVersion()
    {
        using CallScope scope = Enter();
        return ReadDriverVersion();
    }

    public string GetNvmlVersion()
    {
        using CallScope scope = Enter();
        byte* version = stackalloc byte[NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE];
        Check(
            nvmlSystemGetNVMLVersion(version, NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE),
            nameof(nvmlSystemGetNVMLVersion),
            "read the NVML version");
        return NativeText.Read(version, NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE);
    }

    public Version GetCudaVersion()
    {
        using CallScope scope = Enter();
        Require(nameof(nvmlSystemGetCudaDriverVersion_v2), "read the CUDA version of", "the driver");
        int version;
        Check(nvmlSystemGetCudaDriverVersion_v2(&version), nameof(nvmlSystemGetCudaDriverVersion_v2), "read the CUDA version");
        return new Version(version / 1000, version % 1000 / 10);
    }

    public string GetDriverBranch()
    {
        using CallScope scope = Enter();
        Require(nameof(nvmlSystemGetDriverBranch), "read the branch of", "the driver");
        nvmlSystemDriverBranchInfo_t info = new() { version = nvmlSystemDriverBranchInfo_t.Version };
        Check(
            nvmlSystemGetDriverBranch(&info, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE),
            nameof(nvmlSystemGetDriverBranch),
            "read the branch of the driver");
        return NativeText.Read(info.branch, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);
    }

    public string? GetProcessName(uint pid)
    {
        using CallScope scope = Enter();
        return NativeDevice.GetProcessName(this, pid);
    }

    public NativeGpu GetDeviceByIndex(uint index)
    {
        using CallScope scope = Enter();
        nvmlDevice_t device;
        nvmlReturn_t result = nvmlDeviceGetHandleByIndex_v2(index, &device);
        return result == NVML_SUCCESS
            ? new NativeGpu(this, device, index)
            : throw Error(result, nameof(nvmlDeviceGetHandleByIndex_v2), $"find GPU {index}");
    }

    /// <summary>The index of the GPU with a UUID.</summary>
    public uint FindIndexByUuid(string uuid)
    {
        using CallScope scope = Enter();
        nvmlDevice_t device;
        fixed (byte* text = NativeText.Write(uuid))
            Check(nvmlDeviceGetHandleByUUID(text, &device), nameof(nvmlDeviceGetHandleByUUID), "find the GPU", uuid);
        return ReadIndex(device, uuid);
    }

    /// <summary>The index of the GPU with a serial number.</summary>
    public uint FindIndexBySerial(string serial)
    {
        using CallScope scope = Enter();
        Require(nameof(nvmlDeviceGetHandleBySerial), "find the GPU with serial number", serial);
        nvmlDevice_t device;
        fixed (byte* text = NativeText.Write(serial))
        {
            Check(
                nvmlDeviceGetHandleBySerial(text, &device),
                nameof(nvmlDeviceGetHandleBySerial),
                "find the GPU with serial number",
                serial,
                "Not every board has a serial number that can be read, and boards with two GPUs have one for both.");
        }

        return ReadIndex(device, serial);
    }

    /// <summary>The index of the GPU at a PCI bus id.</summary>
    public uint FindIndexByPciBusId(string busId)
    {
        using CallScope scope = Enter();
        nvmlDevice_t device;
        fixed (byte* text = NativeText.Write(busId))
        {
            Check(
                nvmlDeviceGetHandleByPciBusId_v2(text, &device),
                nameof(nvmlDeviceGetHandleByPciBusId_v2),
                "find the GPU at PCI bus id",
                busId,
                NvmlErrors.HowToNameGpus);
        }

        return ReadIndex(device, busId);
    }

    /// <summary>The MIG device with a UUID, and the index of its GPU; null if the UUID is a GPU's.</summary>
    public (NativeMigDevice Device, uint GpuIndex)? FindMigDevice(string uuid)
    {
        using CallScope scope = Enter();
        for (int attempt = 1; ; attempt++)
        {
            nvmlDevice_t device;
            fixed (byte* text = NativeText.Write(uuid))
            {
                Check(
                    nvmlDeviceGetHandleByUUID(text, &device),
                    nameof(nvmlDeviceGetHandleByUUID),
                    "find the MIG device",
                    uuid,
                    "MIG devices come and go with their compute instances: list them again.");
            }

            uint isMigDevice;
            string function = nameof(nvmlDeviceIsMigDeviceHandle);
            nvmlReturn_t result = nvmlDeviceIsMigDeviceHandle(device, &isMigDevice);
            if (result == NVML_SUCCESS && isMigDevice == 0)
                return null;
            nvmlDevice_t gpu = default;
            if (result == NVML_SUCCESS)
            {
                function = nameof(nvmlDeviceGetDeviceHandleFromMigDeviceHandle);
                result = nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device, &gpu);
            }

            if (result == NVML_SUCCESS)
            {
                function = nameof(nvmlDeviceGetGpuInstanceId);
                uint index = ReadIndex(gpu, uuid);
                if (NativeMigDevice.TryRead(this, device) is { } found)
                    return (found, index);
                result = NVML_ERROR_INVALID_ARGUMENT;
            }

            // The device can go between two calls, and its handle is refused then. The next lookup decides.
            if (attempt == 2 || result is not (NVML_ERROR_INVALID_ARGUMENT or NVML_ERROR_NOT_FOUND))
                throw Error(result, function, $"read MIG device {uuid}");
        }
    }

    /// <summary>The index of a GPU, in the caller's scope. <paramref name="name"/> is what the caller called it.</summary>
    public uint ReadIndex(nvmlDevice_t device, string name)
    {
        uint index;
        Check(nvmlDeviceGetIndex(device, &index), nameof(nvmlDeviceGetIndex), "read the index of the GPU", name);
        return index;
    }

    /// <summary>
    /// Throws if a call failed. <paramref name="act"/> and <paramref name="subject"/> complete "Cannot ..."; they are two so that a
    /// call that succeeds puts no text together.
    /// </summary>
    public void Check(nvmlReturn_t result, string function, string act, string subject = "", string? hint = null)
    {
        if (result != NVML_SUCCESS)
            throw Error(result, function, subject.Length == 0 ? act : $"{act} {subject}", hint);
    }

    /// <summary>Throws if the driver is older than a function: the same as if the function had said so itself.</summary>
    public void Require(string function, string act, string subject)
    {
        if (!Library.Has(function))
            Check(NVML_ERROR_FUNCTION_NOT_FOUND, function, act, subject);
    }

    /// <summary>
    /// Throws if the driver says that there is more than we have room for. No driver does; one that did would have to be understood
    /// before it is trusted with a change.
    /// </summary>
    public void CheckCount(uint count, int room, string function, string act, string subject)
    {
        if (count > room)
        {
            throw Error(
                NVML_ERROR_INSUFFICIENT_SIZE,
                function,
                $"{act} {subject}",
                $"The driver speaks of {count} where no known one has more than {room}: please report this driver.");
        }
    }

    public NvmlException Error(nvmlReturn_t result, string function, string act, string? hint = null) =>
        Error((NvmlReturnCode)result, function, act, hint);

    /// <summary>Logs and counts a call that failed, and creates the exception.</summary>
    public NvmlException Error(NvmlReturnCode code, string function, string act, string? hint = null, bool? isTransient = null)
    {
        Log.NativeFailure(Logger, function, code.ToSymbol(), (int)code, act);
        NvmlTelemetry.RecordError(function, code);
        // nvmlErrorString needs no initialised library, and answers "Unknown Error" to unknown codes.
        string words = NativeText.ReadStatic(nvmlErrorString((nvmlReturn_t)code));
        return NvmlErrors.Failed(code, function, act, words, hint, isTransient);
    }

    /// <summary>Refuses calls from now on, and shuts NVML down when those under way have ended.</summary>
    protected override void Dispose(bool disposing)
    {
        bool closes = disposing && !_closing;
        _closing = true;
        base.Dispose(disposing);
        if (closes)
            Log.SessionClosed(Logger);
    }

    /// <summary>May run on the finalizer's thread, so it does nothing but this.</summary>
    protected override bool ReleaseHandle() => nvmlShutdown() == NVML_SUCCESS;

    private static ObjectDisposedException Closed() => new(
        "NvmlSession", "The NVML session was closed. Its GPUs and instances live on; open a new session to use them.");

    /// <summary>In the caller's scope.</summary>
    private string ReadDriverVersion()
    {
        byte* version = stackalloc byte[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
        Check(
            nvmlSystemGetDriverVersion(version, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE),
            nameof(nvmlSystemGetDriverVersion),
            "read the driver version");
        return NativeText.Read(version, NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE);
    }
}
