using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using Nvml.Mig.Host;

namespace Nvml.Mig.Simulator;

/// <summary>
/// A simulated machine with NVIDIA GPUs: a shared library with NVML's symbols that behaves as the driver does. Open a session on
/// its <see cref="LibraryPath"/>, and everything of Nvml.Mig works on it as on a real machine.
/// </summary>
/// <remarks>
/// <para>
/// A process has one NVML, so it has one simulated machine at a time: <see cref="Start"/> waits for the one before it to be disposed
/// of. Tests that each start their own machine may therefore run in parallel; they take turns.
/// </para>
/// <para>
/// New machines have MIG disabled and no instances. Without a state file the machine is private to the process and new with each
/// start; with one it is shared with other processes and found as it was left.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB*8");
/// using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
/// Console.WriteLine(session.Devices.Count); // 8
/// </code>
/// </example>
public sealed partial class NvmlSimulator : IDisposable
{
    /// <summary>
    /// How long <see cref="Start"/> waits for its turn. Long enough for any test before it, short enough to tell a machine that was
    /// never disposed of from a slow one.
    /// </summary>
    private static readonly TimeSpan TurnTimeout = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromMilliseconds(500);

    private static readonly SemaphoreSlim Turn = new(1, 1);

    private readonly ulong _lostBefore = StubControls.nvmlStubGetLostEvents();
    private int _disposed;

    private NvmlSimulator(string gpus, string? stateFile)
    {
        Gpus = gpus;
        StateFile = stateFile;
    }

    /// <summary>The environment variable that names the simulated machine's GPUs to programs that load the stub themselves.</summary>
    public const string GpusVariable = "NVML_STUB_GPUS";

    /// <summary>The environment variable that names the simulated machine's state file to programs that load the stub themselves.</summary>
    public const string StateVariable = "NVML_STUB_STATE";

    /// <summary>The absolute path of the library, for <see cref="NvmlSession.Open"/> and for other programs.</summary>
    public string LibraryPath { get; } = StubControls.LibraryPath;

    /// <summary>The machine's GPUs, as they were given to <see cref="Start"/>.</summary>
    public string Gpus { get; }

    /// <summary>The file that the machine lives in; null if it is private to this process.</summary>
    public string? StateFile { get; }

    /// <summary>
    /// The numbers of MIG's capabilities on the machine, where every known driver has them: <c>gpu0/gi1</c> is there although the
    /// machine has no <c>/proc/driver/nvidia-caps</c>.
    /// </summary>
    public MigMinors MigMinors { get; } = MigMinors.Known;

    /// <summary>
    /// How many events were lost since the machine started, because this process came to look for them when 128 later ones had happened.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public long LostEvents
    {
        get
        {
            ThrowIfDisposed();
            return (long)(StubControls.nvmlStubGetLostEvents() - _lostBefore);
        }
    }

    /// <summary>The GPU models that the simulator knows, those of which too little is known to simulate them last.</summary>
    /// <exception cref="DllNotFoundException">The simulated driver, <c>libnvml-stub.so</c>, is not beside the program.</exception>
    public static unsafe IReadOnlyList<SimulatedModel> Models
    {
        get
        {
            List<SimulatedModel> models = [];
            nvmlStubModel_t model;
            while (StubControls.nvmlStubGetModel((uint)models.Count, &model) == (int)NvmlReturnCode.Success)
            {
                models.Add(new SimulatedModel(
                    Marshal.PtrToStringUTF8((nint)model.key)!,
                    Marshal.PtrToStringUTF8((nint)model.name)!,
                    model.simulated != 0,
                    model.mig != 0,
                    model.memoryMiB == 0 ? null : (int)model.memoryMiB,
                    Marshal.PtrToStringUTF8((nint)model.note)!,
                    model.bar1MiB == 0 ? null : (int)model.bar1MiB,
                    model.memoryDerived != 0,
                    model.bar1Derived != 0));
            }

            return models;
        }
    }

    /// <summary>Starts a machine.</summary>
    /// <param name="gpus">
    /// Keys of <see cref="Models"/>, each with an optional count, separated by commas: <c>A100-SXM4-40GB</c>,
    /// <c>A100-SXM4-40GB*8</c>, <c>A100-SXM4-40GB,H200</c>. An unambiguous beginning of a key will do, in any case.
    /// <c>A100-SXM4-40GB+swapped</c> is a board whose halves have each other's GPU instance ids, as some real boards do,
    /// <c>A100-SXM4-40GB+vm</c> one that is passed through to a virtual machine and cannot be reset from there.
    /// </param>
    /// <param name="stateFile">
    /// A file for the machine to live in, created if there is none; it must be on a local file system. Without it the machine is
    /// private to this process.
    /// </param>
    /// <param name="driver">The driver; without it what the environment variable <c>NVML_STUB_DRIVER</c> says, else R580.</param>
    /// <exception cref="NvmlException">
    /// A model is unknown (<see cref="NvmlReturnCode.InvalidArgument"/>), the file holds another machine or is no state file
    /// (<see cref="NvmlReturnCode.InvalidState"/>; it is left untouched), or it cannot be written
    /// (<see cref="NvmlReturnCode.NoPermission"/>, <see cref="NvmlReturnCode.OperatingSystem"/>).
    /// </exception>
    /// <exception cref="InvalidOperationException">A session on the machine before is still open.</exception>
    /// <exception cref="TimeoutException">The machine before was not disposed of within a minute.</exception>
    /// <exception cref="DllNotFoundException">The simulated driver, <c>libnvml-stub.so</c>, is not beside the program.</exception>
    public static NvmlSimulator Start(string gpus = "A100-SXM4-40GB", string? stateFile = null, SimulatedDriver? driver = null)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        if (!Turn.Wait(TurnTimeout))
            throw NotDisposed();
        return StartInTurn(gpus, stateFile, driver);
    }

    /// <summary>
    /// As <see cref="Start"/>, without a thread that waits for its turn: for runners that run more tests at a time than they have threads.
    /// </summary>
    /// <inheritdoc cref="Start"/>
    /// <param name="gpus">As for <see cref="Start"/>.</param>
    /// <param name="stateFile">As for <see cref="Start"/>.</param>
    /// <param name="driver">As for <see cref="Start"/>.</param>
    /// <param name="cancellationToken">Ends the wait for the turn.</param>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public static async Task<NvmlSimulator> StartAsync(
        string gpus = "A100-SXM4-40GB",
        string? stateFile = null,
        SimulatedDriver? driver = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        if (!await Turn.WaitAsync(TurnTimeout, cancellationToken).ConfigureAwait(false))
            throw NotDisposed();
        return StartInTurn(gpus, stateFile, driver);
    }

    /// <summary>
    /// Puts a new machine into an existing state file, also while other processes use it: what was in it is gone.
    /// </summary>
    /// <param name="stateFile">The file.</param>
    /// <param name="gpus">As for <see cref="Start"/>; by default the GPUs that the file has.</param>
    /// <exception cref="NvmlNotFoundException">There is no such file.</exception>
    /// <exception cref="NvmlException">
    /// It is not a state file (<see cref="NvmlReturnCode.InvalidState"/>; it is left untouched), or cannot be written.
    /// </exception>
    public static unsafe void Reset(string stateFile, string? gpus = null)
    {
        ArgumentNullException.ThrowIfNull(stateFile);
        Control("nvmlStubReset", (message, size) => StubControls.nvmlStubReset(gpus ?? "", stateFile, (byte*)message, size));
    }

    /// <summary>
    /// How often this process has called a native function since the machine started: what costs time on real hardware.
    /// </summary>
    /// <param name="function">Its name, such as <c>nvmlDeviceGetMigMode</c>; null for all together.</param>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public long GetCallCount(string? function = null)
    {
        ThrowIfDisposed();
        return (long)StubControls.nvmlStubGetCallCount(function);
    }

    /// <summary>
    /// Sets the trouble that strikes the native calls of this process from now on, in place of what was set before.
    /// </summary>
    /// <param name="faults">The faults; none to be at peace again.</param>
    /// <exception cref="NvmlException">
    /// NVML has no function of that name that could be struck (<c>nvmlErrorString</c> returns no code).
    /// </exception>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public unsafe void SetFaults(params IEnumerable<NvmlFault> faults)
    {
        ThrowIfDisposed();
        string text = string.Join(';', faults);
        Control("nvmlStubSetFaults", (message, size) => StubControls.nvmlStubSetFaults(text, (byte*)message, size));
    }

    /// <summary>Sets how long native calls of this process take.</summary>
    /// <param name="latency">As long as the simulator needs, or as on hardware.</param>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public unsafe void SetLatency(SimulatedLatency latency)
    {
        ThrowIfDisposed();
        string text = latency == SimulatedLatency.Hardware ? "hardware" : "none";
        Control("nvmlStubSetLatency", (message, size) => StubControls.nvmlStubSetLatency(text, (byte*)message, size));
    }

    /// <summary>Sets what this process may do.</summary>
    /// <param name="privileges">Everything, everything but modes, only look, or look no further than GPU instances.</param>
    /// <exception cref="ObjectDisposedException">The machine was disposed of.</exception>
    public unsafe void SetPrivileges(SimulatedPrivileges privileges)
    {
        ThrowIfDisposed();
        string text = privileges switch
        {
            SimulatedPrivileges.Config => "config",
            SimulatedPrivileges.Monitor => "monitor",
            SimulatedPrivileges.None => "none",
            _ => "all",
        };
        Control("nvmlStubSetPrivileges", (message, size) => StubControls.nvmlStubSetPrivileges(text, (byte*)message, size));
    }

    /// <summary>
    /// Ends the machine, and the processes that were started on it and go on: in a file they would hold GPUs that nobody could take
    /// from them. Dispose of its sessions before: the next <see cref="Start"/> refuses to change the machine under an open one.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        lock (_processesLock)
        {
            foreach (int pid in _processes)
                _ = StubControls.nvmlStubEndProcess((uint)pid);
        }

        Turn.Release();
    }

    private static TimeoutException NotDisposed() =>
        new($"A simulated machine is running in this process and was not disposed of within {TurnTimeout.TotalSeconds} seconds. A "
            + "process has one at a time.");

    private static NvmlSimulator StartInTurn(string gpus, string? stateFile, SimulatedDriver? driver)
    {
        try
        {
            Configure(gpus, stateFile, driver);
            return new NvmlSimulator(gpus, stateFile);
        }
        catch
        {
            Turn.Release();
            throw;
        }
    }

    private static unsafe void Configure(string gpus, string? stateFile, SimulatedDriver? driver)
    {
        string? branch = driver switch
        {
            null => null,
            SimulatedDriver.R470 => "470",
            SimulatedDriver.R525 => "525",
            SimulatedDriver.R535 => "535",
            SimulatedDriver.R550 => "550",
            SimulatedDriver.Future => "future",
            _ => "580",
        };
        long started = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                Control(
                    "nvmlStubConfigure", (message, size) => StubControls.nvmlStubConfigure(gpus, stateFile, branch, (byte*)message, size));
                return;
            }
            catch (InvalidOperationException) when (Stopwatch.GetElapsedTime(started) < ShutdownTimeout)
            {
                // A session that was closed while another thread called is shut down when that call ends, which may be a moment later.
                Thread.Sleep(1);
            }
        }
    }

    private static unsafe void Control(string function, Func<nint, uint, int> control)
    {
        const int size = 1024;
        byte* message = stackalloc byte[size];
        *message = 0;
        NvmlReturnCode code = (NvmlReturnCode)control((nint)message, size);
        if (code == NvmlReturnCode.Success)
            return;
        ReadOnlySpan<byte> text = new(message, size);
        string said = "Simulated machine: " + Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]) + ".";
        throw code switch
        {
            NvmlReturnCode.InUse => new InvalidOperationException(
                "A session on the simulated machine before is still open: dispose of sessions before the simulator."),
            NvmlReturnCode.NotFound => new NvmlNotFoundException(code, function, said),
            _ => new NvmlException(code, function, said),
        };
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_disposed != 0, this);
}
