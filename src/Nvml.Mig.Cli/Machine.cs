using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Simulator;
using Spectre.Console;

namespace Nvml.Mig.Cli;

/// <summary>What a command works on: the machine, real or simulated, the GPUs chosen, and where the output goes.</summary>
internal sealed class Machine : IDisposable
{
    private readonly NvmlSimulator? _simulator;
    private readonly string[] _names;

    private Machine(NvmlSimulator? simulator, NvmlSession session, string[] names, bool json, string? recordFolder)
    {
        JournalFolder = recordFolder ?? ApplyOptions.DefaultJournalFolder;
        _simulator = simulator;
        _names = names;
        Session = session;
        Json = json;
        Out = CreateConsole();
    }

    public NvmlSession Session { get; }

    public bool Json { get; }

    public bool IsSimulated => _simulator is not null;

    /// <summary>Whether GPUs were named.</summary>
    public bool NamesGpus => _names.Length > 0;

    /// <summary>Where layouts are recorded before they are changed.</summary>
    public string JournalFolder { get; }

    /// <summary>For tables and pictures. JSON goes to standard output directly.</summary>
    public IAnsiConsole Out { get; }

    public static IAnsiConsole CreateConsole()
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(Console.Out),
            Ansi = Console.IsOutputRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            // Otherwise it reads the whole environment for signs of build servers, on which it would colour what a pipe carries.
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
            EnvironmentVariables = [],
        });
        // A terminal says how wide it is. What a pipe carries must not be folded at 80 columns.
        if (Console.IsOutputRedirected)
            console.Profile.Width = 200;
        return console;
    }

    /// <summary>Opens the machine that the command line means and runs the command on it.</summary>
    public static int Run(ParseResult parsed, Func<Machine, int> command)
    {
        using Machine machine = Open(parsed);
        return command(machine);
    }

    /// <summary>The GPUs that were named, each once; by default all that the machine has.</summary>
    public IReadOnlyList<GpuDevice> Gpus() =>
        _names.Length == 0 ? Session.Devices : [.. _names.Select(Session.GetDevice).DistinctBy(gpu => gpu.Index)];

    /// <summary>
    /// The GPUs to change: those that were named, which must be able to be divided; by default all that are. One that does not answer
    /// is an error here: who changes a machine must know what it is made of.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">A GPU cannot be divided, or none can.</exception>
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
    /// Reads something of each GPU that can be divided, named or not. What keeps one from answering is its own entry: it must not hide
    /// the others.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">None can be divided.</exception>
    public IReadOnlyList<Reading<T>> ReadEach<T>(Func<GpuDevice, MigMode, T> read)
        where T : class
    {
        List<Reading<T>> readings = [];
        foreach (GpuDevice gpu in Gpus())
        {
            try
            {
                // The mode is asked for once, and handed on: it says whether the GPU can be divided, and is part of what is read.
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
                NvmlReturnCode.NotSupported, "nvmlDeviceGetMigMode", "No GPU of this machine can be divided: none has a MIG mode.");
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
            return new Machine(
                simulator,
                NvmlSession.Open(simulator?.LibraryPath),
                names,
                parsed.GetValue(GlobalOptions.Json),
                SimulatedMachines.JournalFolderFor(parsed.GetValue(GlobalOptions.Simulate)));
        }
        catch
        {
            simulator?.Dispose();
            throw;
        }
    }
}

/// <summary>What was read of a GPU, or why it could not be.</summary>
internal sealed record Reading<T>(GpuDevice Gpu, T? Value, NvmlException? Error)
    where T : class;
