using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// An open connection to NVML, and through it to the GPUs of this machine: the start of everything else.
/// </summary>
/// <remarks>
/// <para>
/// Opening initialises NVML (about 10 ms on an H200 for the first session of a process, 2 µs for another) and disposing shuts it
/// down; NVML counts both, so that sessions may overlap. GPUs and instances are not the session's: they outlive it, and the
/// process.
/// </para>
/// <para>
/// All members of all types of this library may be called from any thread, except those of <see cref="Planning.GpuPool"/> and the events of
/// a
/// <see cref="GpuEventWatcher"/>, which are for one at a time. Disposing while another thread calls is safe: calls under way complete,
/// later ones throw <see cref="ObjectDisposedException"/> and do not reach the driver. Values that are remembered can still be read.
/// </para>
/// <para>
/// A member that calls the driver throws <see cref="NvmlException"/> if the call fails. Members document only other exceptions, and special
/// causes. Native calls dominate the cost, 0.2 µs to 0.5 ms each on an H200: members say how many they make.
/// </para>
/// <para>
/// A process uses one NVML library: once one is loaded, <see cref="Open"/> with another path throws
/// <see cref="InvalidOperationException"/>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using NvmlSession session = NvmlSession.Open();
/// foreach (GpuDevice gpu in session.Devices)
///     Console.WriteLine($"{gpu.Index}: {gpu.Name}, MIG {gpu.GetMigMode()}");
/// </code>
/// </example>
public sealed class NvmlSession : IDisposable
{
    /// <summary>The beginning of a MIG device's UUID with drivers up to R460.</summary>
    private const string OldMigPrefix = "MIG-GPU-";

    private readonly NativeSession _native;
    private readonly Lazy<IReadOnlyList<GpuDevice>> _devices;

    private NvmlSession(NativeSession native)
    {
        _native = native;
        _devices = new Lazy<IReadOnlyList<GpuDevice>>(
            () => [.. Enumerable.Range(0, (int)native.GetDeviceCount()).Select(index => new GpuDevice(this, native, index))],
            LazyThreadSafetyMode.PublicationOnly);
    }

    /// <summary>The NVML library in use: its path, or its name where the system's loader found it.</summary>
    public string LibraryPath => _native.Library.Path;

    /// <summary>
    /// The GPUs of this machine in NVML's order, with and without MIG. NVML fixes their number when it is initialised. A GPU that
    /// does not answer is in the list all the same: its members throw, those of the others work.
    /// </summary>
    public IReadOnlyList<GpuDevice> Devices => _devices.Value;

    /// <summary>Loads NVML and initialises it. Needs no privileges.</summary>
    /// <param name="libraryPath">
    /// The absolute path of the library. By default the one that the environment variable <c>NVML_LIBRARY_PATH</c> names, else the
    /// driver's <c>libnvidia-ml.so.1</c>, else that of Windows Subsystem for Linux.
    /// </param>
    /// <param name="logger">
    /// Receives every change with its duration (Information), every failure of the driver (Warning), and when sessions open and
    /// close (Debug).
    /// </param>
    /// <param name="options">By default all GPUs are attached, and a machine without any is no error.</param>
    /// <exception cref="NvmlLibraryException">
    /// There is no NVML library, it is not NVML, the driver is not loaded, or the two do not fit together.
    /// </exception>
    /// <exception cref="NvmlException">NVML cannot be initialised.</exception>
    /// <exception cref="ArgumentException">A path is not absolute.</exception>
    /// <exception cref="InvalidOperationException">The process already uses another NVML library.</exception>
    /// <exception cref="PlatformNotSupportedException">This is not Linux on a 64-bit, little-endian processor.</exception>
    public static NvmlSession Open(string? libraryPath = null, ILogger? logger = null, NvmlInitOptions options = NvmlInitOptions.None) =>
        new(NativeSession.Open(libraryPath, logger ?? NullLogger.Instance, options));

    /// <summary>
    /// The NVML functions that this library knows how to call, and whether the driver has them. One that it lacks throws
    /// <see cref="NvmlReturnCode.FunctionNotFound"/> where there is no older one to take its place.
    /// </summary>
    public IReadOnlyDictionary<string, bool> GetFunctions() => NvmlLibrary.Functions.Keys
        .Order(StringComparer.Ordinal)
        .ToDictionary(function => function, _native.Library.Has, StringComparer.Ordinal);

    /// <summary>The version of the driver, such as <c>580.159.04</c>.</summary>
    public string GetDriverVersion() => _native.GetDriverVersion();

    /// <summary>The version of the NVML library, such as <c>13.580.159.04</c>.</summary>
    public string GetNvmlVersion() => _native.GetNvmlVersion();

    /// <summary>The newest CUDA that the driver supports, such as 13.0.</summary>
    public Version GetCudaVersion() => _native.GetCudaVersion();

    /// <summary>The branch that the driver was built from, such as <c>r582_49</c>.</summary>
    public string GetDriverBranch() => _native.GetDriverBranch();

    /// <summary>The command of a process that uses a GPU.</summary>
    /// <param name="pid">The process id.</param>
    /// <returns>The command, at most 1023 bytes of it; null if NVML does not report it, as for processes that do not use a GPU.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The process id is negative.</exception>
    public string? GetProcessName(int pid)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(pid);
        return _native.GetProcessName((uint)pid);
    }

    /// <summary>The GPU that an operator means: by index (<c>0</c>), UUID (<c>GPU-...</c>) or PCI bus id (<c>0000:07:00.0</c>).</summary>
    /// <param name="name">The index, UUID or PCI bus id.</param>
    /// <exception cref="ArgumentException">The name is empty, or the UUID of a MIG device.</exception>
    /// <exception cref="NvmlNotFoundException">No GPU has this UUID or bus id.</exception>
    /// <exception cref="NvmlException">
    /// It is none of the three, or the index is out of range (<see cref="NvmlReturnCode.InvalidArgument"/>).
    /// </exception>
    public GpuDevice GetDevice(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        name = name.Trim();
        if (int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int index))
        {
            if (index >= 0 && index < Devices.Count)
                return Devices[index];
            string range = Devices.Count switch
            {
                0 => "this machine has no NVIDIA GPU",
                1 => "this machine has one GPU, 0",
                int count => $"this machine has {count} GPUs, 0 to {count - 1}",
            };
            throw NvmlErrors.Refused(NvmlReturnCode.InvalidArgument, NvmlFunction.GetHandleByIndex, $"There is no GPU {index}: {range}");
        }

        if (name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase))
            throw new ArgumentException($"{name} is a MIG device, not a GPU. {NvmlErrors.HowToNameGpus}", nameof(name));
        bool isUuid = name.StartsWith("GPU-", StringComparison.OrdinalIgnoreCase);
        return Devices[(int)(isUuid ? _native.FindIndexByUuid("GPU-" + name[4..].ToLowerInvariant()) : _native.FindIndexByPciBusId(name))];
    }

    /// <summary>The GPU with a serial number. Asks all GPUs that it must.</summary>
    /// <param name="serial">The number that is printed on the board: see <see cref="GpuDevice.GetSerial"/>.</param>
    /// <exception cref="ArgumentException">It is empty.</exception>
    /// <exception cref="NvmlNotFoundException">No GPU has it.</exception>
    public GpuDevice GetDeviceBySerial(string serial)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(serial);
        return Devices[(int)_native.FindIndexBySerial(serial.Trim())];
    }

    /// <summary>The MIG device with a UUID, on whichever GPU. About seven native calls.</summary>
    /// <param name="uuid">
    /// The UUID, <c>MIG-</c> and 36 characters, or the form of R460 and older, <c>MIG-GPU-.../1/0</c>: the UUID of a GPU and the ids of its
    /// GPU instance and compute instance.
    /// </param>
    /// <exception cref="ArgumentException">It is empty, or a GPU's.</exception>
    /// <exception cref="NvmlNotFoundException">There is none, or not any more.</exception>
    public MigDevice GetMigDevice(string uuid)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(uuid);
        uuid = uuid.Trim();
        if (uuid.StartsWith(OldMigPrefix, StringComparison.OrdinalIgnoreCase))
            return GetMigDeviceByIds(uuid);
        if (uuid.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase))
            uuid = "MIG-" + uuid[4..].ToLowerInvariant();
        if (_native.FindMigDevice(uuid) is not { } found)
            throw new ArgumentException($"{uuid} is a GPU, not a MIG device: MIG devices have UUIDs that begin with MIG-.", nameof(uuid));
        return new MigDevice(Devices[(int)found.GpuIndex], found.Device);
    }

    /// <summary>
    /// Watches GPUs for events, from now on. Of the kinds asked for, each GPU is watched for those that it reports
    /// (<see cref="GpuDevice.GetSupportedEvents"/>): one without MIG has no MIG events.
    /// </summary>
    /// <param name="kinds">The kinds to watch for. The loss of a GPU is reported in any case.</param>
    /// <param name="devices">The GPUs; by default all of this machine.</param>
    /// <exception cref="NvmlNotSupportedException">None of the GPUs reports any of it.</exception>
    /// <exception cref="ArgumentException">A GPU is one of another session.</exception>
    public GpuEventWatcher WatchEvents(
        GpuEventKinds kinds = GpuEventKinds.MigConfigChange | GpuEventKinds.Xid, IEnumerable<GpuDevice>? devices = null)
    {
        NativeEventSet set = NativeEventSet.Create(_native);
        try
        {
            List<GpuDevice> watched = [];
            List<GpuDevice> lost = [];
            foreach (GpuDevice device in (devices ?? Devices).Distinct())
            {
                if (device.Session != this)
                    throw new ArgumentException($"{device} is of another session.", nameof(devices));
                try
                {
                    if (device.TryWatch(set, kinds))
                        watched.Add(device);
                }
                catch (NvmlException e) when (e.Code == NvmlReturnCode.GpuIsLost)
                {
                    lost.Add(device); // The others are watched all the same; the watcher reports this one.
                }
            }

            return watched.Count + lost.Count > 0
                ? new GpuEventWatcher(_native, set, Devices, watched, lost)
                : throw NvmlErrors.Refused(
                    NvmlReturnCode.NotSupported, NvmlFunction.RegisterEvents, $"None of these GPUs reports events of the kinds {kinds}");
        }
        catch
        {
            set.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Closes the session: later calls throw, those under way complete, and NVML is shut down after the last of them. GPUs and
    /// instances stay as they are.
    /// </summary>
    public void Dispose() => _native.Dispose();

    /// <summary>Every driver since R470 gives MIG devices UUIDs of their own; the ids in the old form still mean the same.</summary>
    private MigDevice GetMigDeviceByIds(string name)
    {
        if (name["MIG-".Length..].Split('/') is not [string gpuUuid, string first, string second]
            || !int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out int gpuInstance)
            || !int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out int computeInstance))
        {
            throw NvmlErrors.Refused(
                NvmlReturnCode.InvalidArgument,
                NvmlFunction.GetMigDevice,
                $"'{name}' is no MIG device",
                $"The form of older drivers is {OldMigPrefix}..., and after slashes the ids of a GPU instance and a compute instance.");
        }

        GpuDevice gpu = GetDevice(gpuUuid);
        return gpu.Native.FindMigDevice(gpuInstance, computeInstance) is { } found ? new MigDevice(gpu, found) : throw NvmlErrors.Refused(
            NvmlReturnCode.NotFound,
            NvmlFunction.GetMigDevice,
            $"{gpu} has no compute instance {computeInstance} in GPU instance {gpuInstance}",
            "MIG devices come and go with their compute instances: list them again.");
    }
}
