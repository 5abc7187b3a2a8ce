using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Simulate;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli;

/// <summary>The machine that a command works on, real or simulated, and the selected GPUs.</summary>
internal sealed class Machine : IDisposable
{
    private readonly NvmlSimulator? _simulator;
    private readonly string[] _names;

    private Machine(NvmlSimulator? simulator, NvmlSession session, string[] names, bool json, string? journalFolder)
    {
        JournalFolder = journalFolder ?? ApplyOptions.DefaultJournalFolder;
        _simulator = simulator;
        _names = names;
        Session = session;
        Json = json;
    }

    public NvmlSession Session { get; }

    public bool Json { get; }

    public bool IsSimulated => _simulator is not null;

    /// <summary>Whether GPUs were named.</summary>
    public bool NamesGpus => _names.Length > 0;

    /// <summary>The journal, in which layouts are recorded before they are changed.</summary>
    public string JournalFolder { get; }

    /// <summary>How long a command waits while another process changes GPUs. Leases change them often, and for a moment.</summary>
    public static TimeSpan LockTimeout { get; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// The right to change GPUs without a plan; null where there is no journal, so that nobody else asks for the right, and nothing is
    /// leased.
    /// </summary>
    /// <exception cref="JournalException">Another process has it, or the journal is not to be looked into.</exception>
    public ChangeLock? TakeChangeLock() => Directory.Exists(JournalFolder)
        ? ChangeLock.TakeAsync(JournalFolder, LockTimeout).GetAwaiter().GetResult()
        : null;

    /// <summary>Opens the machine of the command line and runs the command on it.</summary>
    public static int Run(ParseResult parsed, Func<Machine, int> command)
    {
        using Machine machine = Open(parsed);
        return command(machine);
    }

    /// <summary>The GPUs that were named, each once; by default all of the machine.</summary>
    public IReadOnlyList<GpuDevice> Gpus() =>
        _names.Length == 0 ? Session.Devices : [.. _names.Select(Session.GetDevice).DistinctBy(gpu => gpu.Index)];

    /// <summary>
    /// The GPUs to change: those that were named, which must support MIG; by default all that do. A GPU that does not answer is an error
    /// here.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">A GPU does not support MIG, or none does.</exception>
    public IReadOnlyList<GpuDevice> GpusToChange()
    {
        if (_names.Length == 0)
            return [.. ReadEach((gpu, _) => gpu).Select(read => read.Error is null ? read.Gpu : throw read.Error)];
        IReadOnlyList<GpuDevice> named = Gpus();
        foreach (GpuDevice gpu in named)
            gpu.GetMigMode(); // throws, and says which, if it has none
        return named;
    }

    /// <summary>
    /// Prepares the change of each GPU that was named, which must all answer; by default of each that supports MIG. Of these, one that does
    /// not answer gets an entry with its error, and does not keep the others from being changed.
    /// </summary>
    /// <exception cref="NvmlException">A named GPU cannot be read, or none can.</exception>
    public IReadOnlyList<Reading<T>> Prepare<T>(Func<GpuDevice, MigMode, T> prepare)
        where T : class
    {
        List<NvmlException> requests = [];
        IReadOnlyList<Reading<T>> readings = ReadEach((gpu, mode) =>
        {
            try
            {
                return prepare(gpu, mode);
            }
            catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
            {
                requests.Add(e); // What is wrong with the request is wrong for all of it.
                throw;
            }
        });
        if (requests.Count > 0)
            throw requests[0];
        return Readings.FirstError(readings) is { } error && (NamesGpus || readings.All(reading => reading.Value is null))
            ? throw error
            : readings;
    }

    /// <summary>
    /// Changes one GPU after the other until a change fails; returns that failure. A GPU that is lost keeps the others from being changed
    /// only if it was named.
    /// </summary>
    public Exception? ChangeEach<T>(IEnumerable<T> gpus, Action<T> change)
    {
        Exception? first = null;
        foreach (T gpu in gpus)
        {
            try
            {
                change(gpu);
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                first ??= e;
                if (!GoesOnAfter(e))
                    return first;
            }
        }

        return first;
    }

    /// <summary>Whether a failure on one GPU leaves the others to be changed.</summary>
    public bool GoesOnAfter(Exception failure) => !NamesGpus && failure is NvmlException { Code: NvmlReturnCode.GpuIsLost };

    /// <summary>
    /// Reads each GPU that supports MIG, or each that was named. A GPU that does not answer gets an entry with its error, and does not hide
    /// the others.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">None supports MIG.</exception>
    public IReadOnlyList<Reading<T>> ReadEach<T>(Func<GpuDevice, MigMode, T> read)
        where T : class
    {
        List<Reading<T>> readings = [];
        foreach (GpuDevice gpu in Gpus())
        {
            try
            {
                // The mode is read once: it shows whether the GPU supports MIG, and is part of the result.
                if ((_names.Length > 0 ? gpu.GetMigMode() : gpu.TryGetMigMode()) is { } mode)
                    readings.Add(new Reading<T>(gpu, read(gpu, mode), null));
            }
            catch (NvmlException e)
            {
                readings.Add(new Reading<T>(gpu, null, e));
            }
        }

        return readings.Count > 0
            ? readings
            : throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported, "nvmlDeviceGetMigMode", "No GPU of this machine supports MIG.");
    }

    public void Dispose()
    {
        Session.Dispose();
        _simulator?.Dispose();
    }

    public static Machine Open(ParseResult parsed)
    {
        string[] names = [.. (parsed.GetValue(GlobalOptions.Gpu) ?? [])
            .SelectMany(value => value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))];
        if (names.Length == 0 && parsed.GetResult(GlobalOptions.Gpu) is not null)
            throw new UsageException("--gpu names no GPU.");
        if (names.FirstOrDefault(name => name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase)) is { } device)
            throw new UsageException($"'{device}' is a MIG device, not a GPU. 'nvmig list' shows which GPU it is on.");

        NvmlSimulator? simulator = parsed.GetValue(GlobalOptions.Simulate) is { } spec
            ? NvmlSimulator.Start(spec, SimulatedMachines.FileFor(spec))
            : null;
        try
        {
            NvmlSession session = NvmlSession.Open(simulator?.LibraryPath);
            return new Machine(
                simulator,
                session,
                names,
                parsed.GetValue(GlobalOptions.Json),
                SimulatedMachines.JournalFolderFor(
                    parsed.GetValue(GlobalOptions.Simulate), SimulatedMachines.FileFromEnvironment, session.LibraryPath));
        }
        catch
        {
            simulator?.Dispose();
            throw;
        }
    }
}
