using Nvml.Mig.Interop;
using static Nvml.Mig.Interop.LibNvml;
using static Nvml.Mig.Interop.nvmlReturn_t;

namespace Nvml.Mig.Native;

/// <summary>A GPU or a MIG device: the checked calls that NVML has for both.</summary>
internal abstract unsafe class NativeDevice(NativeSession session, nvmlDevice_t handle)
{
    /// <summary>Room for the processes of one list at first; NVML says how many more it needs.</summary>
    private const int FirstProcesses = 64;

    /// <summary>More processes than any machine runs on a GPU. A driver that wants room for more errs.</summary>
    private const int MaxProcesses = 1 << 16;

    /// <summary>NVML cuts longer names, without a word.</summary>
    private const int MaxProcessName = 1024;

    /// <summary>NVML's number where it knows none.</summary>
    private const ulong NotAvailable = ulong.MaxValue;

    public NativeSession Session { get; } = session;

    public nvmlDevice_t Handle { get; } = handle;

    /// <summary>"GPU 0 (GPU-...)" or "MIG device MIG-...", for messages.</summary>
    public abstract string Description { get; }

    public string GetName() => ReadText(&nvmlDeviceGetName, NVML_DEVICE_NAME_V2_BUFFER_SIZE, nameof(nvmlDeviceGetName), "read the name");

    public int GetIndex() => (int)ReadNumber(&nvmlDeviceGetIndex, nameof(nvmlDeviceGetIndex), "read the index");

    public uint GetComputeMode() => ReadNumber(&nvmlDeviceGetComputeMode, nameof(nvmlDeviceGetComputeMode), "read the compute mode");

    public GpuMemory GetMemory()
    {
        using CallScope scope = Session.Enter();
        if (Session.Library.Has(nameof(nvmlDeviceGetMemoryInfo_v2)))
        {
            nvmlMemory_v2_t memory = new() { version = nvmlMemory_v2_t.Version };
            Check(nvmlDeviceGetMemoryInfo_v2(Handle, &memory), nameof(nvmlDeviceGetMemoryInfo_v2), "read the memory");
            return new GpuMemory((long)memory.total, (long)memory.free, (long)memory.used, (long)memory.reserved);
        }

        Require(nameof(nvmlDeviceGetMemoryInfo), "read the memory");
        nvmlMemory_t old;
        Check(nvmlDeviceGetMemoryInfo(Handle, &old), nameof(nvmlDeviceGetMemoryInfo), "read the memory");
        return new GpuMemory((long)old.total, (long)old.free, (long)old.used, ReservedBytes: null);
    }

    public Bar1Memory GetBar1Memory()
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetBAR1MemoryInfo), "read the BAR1 memory");
        nvmlBAR1Memory_t memory;
        Check(nvmlDeviceGetBAR1MemoryInfo(Handle, &memory), nameof(nvmlDeviceGetBAR1MemoryInfo), "read the BAR1 memory");
        return new Bar1Memory((long)memory.bar1Total, (long)memory.bar1Free, (long)memory.bar1Used);
    }

    public long GetTotalEccErrors(uint errorType, uint counterType)
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetTotalEccErrors), "read the ECC errors");
        ulong count;
        Check(
            nvmlDeviceGetTotalEccErrors(Handle, errorType, counterType, &count),
            nameof(nvmlDeviceGetTotalEccErrors),
            "read the ECC errors");
        return (long)count;
    }

    public long GetMemoryErrors(uint errorType, uint counterType, uint location)
    {
        using CallScope scope = Session.Enter();
        Require(nameof(nvmlDeviceGetMemoryErrorCounter), "read the ECC errors of a memory");
        ulong count;
        Check(
            nvmlDeviceGetMemoryErrorCounter(Handle, errorType, counterType, location, &count),
            nameof(nvmlDeviceGetMemoryErrorCounter),
            "read the ECC errors of a memory");
        return (long)count;
    }

    /// <summary>The processes of all three lists, each process on an instance once.</summary>
    public GpuProcess[] GetProcesses()
    {
        using CallScope scope = Session.Enter();
        Dictionary<(uint Pid, uint GpuInstance, uint ComputeInstance), (GpuProcessKinds Kinds, ulong Memory)> found = [];
        // Version 3 has the same struct as version 2, which drivers of the R470 branch have; but for some that have it longer.
        bool isNew = Session.Library.Has(nameof(nvmlDeviceGetComputeRunningProcesses_v3)) && !Session.HasLongProcessInfo;
        if (isNew)
        {
            Add(GpuProcessKinds.Compute, &nvmlDeviceGetComputeRunningProcesses_v3, nameof(nvmlDeviceGetComputeRunningProcesses_v3));
            Add(GpuProcessKinds.Graphics, &nvmlDeviceGetGraphicsRunningProcesses_v3, nameof(nvmlDeviceGetGraphicsRunningProcesses_v3));
            Add(GpuProcessKinds.MpsClient, &nvmlDeviceGetMPSComputeRunningProcesses_v3, nameof(nvmlDeviceGetMPSComputeRunningProcesses_v3));
        }
        else
        {
            Add(GpuProcessKinds.Compute, &nvmlDeviceGetComputeRunningProcesses_v2, nameof(nvmlDeviceGetComputeRunningProcesses_v2));
            Add(GpuProcessKinds.Graphics, &nvmlDeviceGetGraphicsRunningProcesses_v2, nameof(nvmlDeviceGetGraphicsRunningProcesses_v2));
            Add(GpuProcessKinds.MpsClient, &nvmlDeviceGetMPSComputeRunningProcesses_v2, nameof(nvmlDeviceGetMPSComputeRunningProcesses_v2));
        }

        return [.. found
            .OrderBy(process => process.Key)
            .Select(process => new GpuProcess(
                (int)process.Key.Pid,
                GetProcessName(Session, process.Key.Pid),
                process.Value.Kinds,
                process.Value.Memory == NotAvailable ? null : (long)process.Value.Memory,
                InstanceId(process.Key.GpuInstance),
                InstanceId(process.Key.ComputeInstance)))];

        void Add(GpuProcessKinds kind, delegate*<nvmlDevice_t, uint*, nvmlProcessInfo_t*, nvmlReturn_t> read, string function) =>
            AddProcesses(found, kind, read, function);
    }

    /// <summary>
    /// The name of a process that uses a GPU; null if NVML does not report it, for whichever reason: the process is worth knowing
    /// without its name. In the caller's scope.
    /// </summary>
    public static string? GetProcessName(NativeSession session, uint pid)
    {
        if (!session.Library.Has(nameof(nvmlSystemGetProcessName)))
            return null;
        byte* name = stackalloc byte[MaxProcessName];
        return nvmlSystemGetProcessName(pid, name, MaxProcessName) == NVML_SUCCESS ? NativeText.Read(name, MaxProcessName) : null;
    }

    /// <summary>An instance id as NVML gives it where there may be none.</summary>
    public static int? InstanceId(uint id) => id == uint.MaxValue ? null : (int)id;

    /// <summary>The exception for a call that failed. <paramref name="act"/> goes before "of GPU 0 (...)".</summary>
    protected abstract NvmlException Failure(nvmlReturn_t result, string function, string act);

    /// <summary>Calls one of the many functions that return a number.</summary>
    protected uint ReadNumber(delegate*<nvmlDevice_t, uint*, nvmlReturn_t> read, string function, string act)
    {
        using CallScope scope = Session.Enter();
        Require(function, act);
        uint number;
        Check(read(Handle, &number), function, act);
        return number;
    }

    /// <summary>Calls one of the functions that return text, with room for <paramref name="size"/> bytes.</summary>
    protected string ReadText(delegate*<nvmlDevice_t, byte*, uint, nvmlReturn_t> read, int size, string function, string act)
    {
        using CallScope scope = Session.Enter();
        Require(function, act);
        byte* text = stackalloc byte[size];
        Check(read(Handle, text, (uint)size), function, act);
        return NativeText.Read(text, size);
    }

    protected void Check(nvmlReturn_t result, string function, string act)
    {
        if (result != NVML_SUCCESS)
            throw Failure(result, function, act);
    }

    /// <summary>Throws if the driver is older than a function.</summary>
    protected void Require(string function, string act)
    {
        if (!Session.Library.Has(function))
            throw Failure(NVML_ERROR_FUNCTION_NOT_FOUND, function, act);
    }

    private void AddProcesses(
        Dictionary<(uint Pid, uint GpuInstance, uint ComputeInstance), (GpuProcessKinds Kinds, ulong Memory)> found,
        GpuProcessKinds kind,
        delegate*<nvmlDevice_t, uint*, nvmlProcessInfo_t*, nvmlReturn_t> read,
        string function)
    {
        Require(function, "list the processes");
        nvmlProcessInfo_t[] processes = new nvmlProcessInfo_t[FirstProcesses];
        uint count;
        nvmlReturn_t result;
        // The list can grow between two calls: ask until it fits.
        while (true)
        {
            count = (uint)processes.Length;
            fixed (nvmlProcessInfo_t* buffer = processes)
                result = read(Handle, &count, buffer);
            if (result != NVML_ERROR_INSUFFICIENT_SIZE || processes.Length >= MaxProcesses)
                break;
            processes = new nvmlProcessInfo_t[Math.Clamp(2L * count, 2L * processes.Length, MaxProcesses)];
        }

        // Graphics and MPS do not exist everywhere; compute does.
        if (result == NVML_ERROR_NOT_SUPPORTED && kind != GpuProcessKinds.Compute)
            return;
        Check(result, function, "list the processes");
        Session.CheckCount(count, processes.Length, function, "list the processes of", Description);
        foreach (ref readonly nvmlProcessInfo_t process in processes.AsSpan(0, (int)count))
        {
            (uint, uint, uint) key = (process.pid, process.gpuInstanceId, process.computeInstanceId);
            found[key] = found.TryGetValue(key, out (GpuProcessKinds Kinds, ulong Memory) known)
                ? (known.Kinds | kind, known.Memory)
                : (kind, process.usedGpuMemory);
        }
    }
}
