using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// An open connection to NVML, and through it to the GPUs of this machine. Everything else starts here.
/// </summary>
/// <remarks>
/// <para>
/// Opening initialises NVML (about 10 ms on an H200 for the first session of a process, 2 µs for another) and disposing shuts it
/// down; NVML counts both, so that sessions may overlap. GPUs and instances are not the session's: they outlive it, and the
/// process.
/// </para>
/// <para>
/// All members of all types of this library may be called from any thread. Disposing while another thread calls is safe: calls
/// under way complete, later ones throw <see cref="ObjectDisposedException"/> and reach no driver.
/// </para>
/// <para>
/// What the documentation says of native calls is what costs time: 0.2 µs to 0.5 ms each on an H200, see the members.
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
    /// <exception cref="NvmlException">They cannot be counted.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public IReadOnlyList<GpuDevice> Devices => _devices.Value;

    /// <summary>Loads NVML and initialises it. Needs no privileges; what is done through the session may.</summary>
    /// <param name="libraryPath">
    /// The absolute path of the library. By default the one that the environment variable <c>NVML_LIBRARY_PATH</c> names, else the
    /// driver's <c>libnvidia-ml.so.1</c>, else that of Windows Subsystem for Linux.
    /// </param>
    /// <param name="logger">
    /// Receives every change with its duration (Information), every failure of the driver (Warning), and when sessions open and
    /// close (Debug).
    /// </param>
    /// <exception cref="NvmlLibraryException">
    /// There is no NVML library, it is not NVML, the driver is not loaded, or the two do not fit together.
    /// </exception>
    /// <exception cref="NvmlException">NVML cannot be initialised.</exception>
    /// <exception cref="ArgumentException">A path is not absolute.</exception>
    /// <exception cref="InvalidOperationException">The process already uses another NVML library.</exception>
    public static NvmlSession Open(string? libraryPath = null, ILogger? logger = null) =>
        new(NativeSession.Open(libraryPath, logger ?? NullLogger.Instance));

    /// <summary>The version of the driver, such as <c>580.159.04</c>.</summary>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string GetDriverVersion() => _native.GetDriverVersion();

    /// <summary>The version of the NVML library, such as <c>13.580.159.04</c>.</summary>
    /// <exception cref="NvmlException">It cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public string GetNvmlVersion() => _native.GetNvmlVersion();

    /// <summary>The GPU that an operator means: by index (<c>0</c>), UUID (<c>GPU-...</c>) or PCI bus id (<c>0000:07:00.0</c>).</summary>
    /// <param name="name">The index, UUID or PCI bus id.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="NvmlNotFoundException">No GPU has this UUID or bus id.</exception>
    /// <exception cref="NvmlException">
    /// It is none of the three, or the index is out of range (<see cref="NvmlReturnCode.InvalidArgument"/>).
    /// </exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
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
            throw new NvmlException(
                NvmlReturnCode.InvalidArgument,
                "nvmlDeviceGetHandleByIndex_v2",
                $"There is no GPU {index}: {range} (NVML_ERROR_INVALID_ARGUMENT, 2).");
        }

        bool isUuid = name.StartsWith("GPU-", StringComparison.OrdinalIgnoreCase);
        return Devices[(int)(isUuid ? _native.FindIndexByUuid("GPU-" + name[4..].ToLowerInvariant()) : _native.FindIndexByPciBusId(name))];
    }

    /// <summary>
    /// Closes the session: later calls throw, those under way complete, and NVML is shut down after the last of them. GPUs and
    /// instances stay as they are.
    /// </summary>
    public void Dispose() => _native.Dispose();
}
