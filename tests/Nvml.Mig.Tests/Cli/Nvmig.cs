using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>Runs nvmig as a user does: as a process of its own, on a simulated machine in a file of this test's.</summary>
internal sealed class Nvmig : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public Nvmig(string simulate = "A100-SXM4-40GB")
    {
        Simulate = simulate;
        Environment["NVML_STUB_STATE"] = StateFile;
    }

    public string Simulate { get; }

    public string StateFile => _folder.File("machine");

    public string Folder => _folder.Path;

    /// <summary>Set for each run; null takes a variable away.</summary>
    public Dictionary<string, string?> Environment { get; } = [];

    /// <summary>
    /// The tool: the one that NVMIG_TEST_PROGRAM names, such as a native one, which starts ten times as fast; else the one built here.
    /// </summary>
    public static string Program { get; } = System.Environment.GetEnvironmentVariable("NVMIG_TEST_PROGRAM") is { Length: > 0 } path
        ? path
        : Path.Combine(AppContext.BaseDirectory, "nvmig");

    /// <summary>The simulated driver.</summary>
    public static string Stub => Path.Combine(AppContext.BaseDirectory, "libnvml-stub.so");

    /// <summary>The simulated driver with R470's functions only.</summary>
    public static string Stub470 => Path.Combine(AppContext.BaseDirectory, "libnvml-stub-470.so");

    /// <summary>Runs it on the simulated machine.</summary>
    public Answer Run(params string[] arguments) => RunBare(["--simulate", Simulate, .. arguments]);

    /// <summary>Runs it on the simulated machine with faults, in this run alone.</summary>
    public Answer RunWithFaults(string faults, params string[] arguments) => Start(
        Program,
        ["--simulate", Simulate, .. arguments],
        new Dictionary<string, string?>(Environment) { ["NVML_STUB_FAULTS"] = faults });

    /// <summary>From now on <see cref="RunBare"/> takes the simulated machine for a real one.</summary>
    public void PassForReal()
    {
        Environment["NVML_LIBRARY_PATH"] = Stub;
        Environment["NVML_STUB_GPUS"] = Simulate;
    }

    /// <summary>Runs it with these arguments alone.</summary>
    public Answer RunBare(params string[] arguments) => Start(Program, arguments, Environment);

    /// <summary>Runs it on the simulated machine, and sends it signals once it has said something, on standard output or error.</summary>
    public Answer Interrupt(string signals, string once, params string[] arguments) =>
        Interrupt(signals, said => said.Contains(once, StringComparison.Ordinal), arguments);

    /// <summary>
    /// Runs it on the simulated machine, and sends it signals at a moment that what it has said tells, or something else.
    /// </summary>
    public Answer Interrupt(string signals, Func<string, bool> when, params string[] arguments) =>
        InterruptIn(Program, signals, when, ["--simulate", Simulate, .. arguments]);

    /// <summary>Runs a program that runs it, and sends the signals to that.</summary>
    public Answer InterruptIn(string program, string signals, Func<string, bool> when, params string[] arguments)
    {
        // Its output must be here at once, also while all tests begin and the pool has no thread left.
        _ = ThreadPool.SetMinThreads(32, 32);
        using Process process = Process.Start(StartInfo(program, arguments, Environment))!;
        StringBuilder output = new();
        StringBuilder error = new();
        process.OutputDataReceived += (_, said) => Append(output, said.Data);
        process.ErrorDataReceived += (_, said) => Append(error, said.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        Stopwatch watch = Stopwatch.StartNew();
        while (!when(Said()))
        {
            watch.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(1), $"the moment must come; it said: {Said()}");
            Thread.Sleep(5);
        }

        foreach (string signal in signals.Split(' '))
            SendSignal(signal, process.Id);
        process.WaitForExit(TimeSpan.FromMinutes(1)).Should().BeTrue("it must end");
        process.WaitForExit(); // For the rest of what it says.
        return new Answer(process.ExitCode, output.ToString(), error.ToString());

        string Said()
        {
            lock (process)
                return $"{output}{error}";
        }

        void Append(StringBuilder all, string? line)
        {
            lock (process)
                all.Append(line is null ? "" : line + "\n");
        }
    }

    public static void SendSignal(string signal, int process) =>
        Start(
            "/bin/sh", ["-c", string.Create(CultureInfo.InvariantCulture, $"kill -{signal} {process}")], new Dictionary<string, string?>());

    public static Answer Start(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string? folder = null)
    {
        using Process process = Process.Start(StartInfo(program, arguments, environment, folder))!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(5)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end.");
        }

        process.WaitForExit();
        return new Answer(process.ExitCode, output.Result, error.Result);
    }

    public void Dispose() => _folder.Dispose();

    private static ProcessStartInfo StartInfo(
        string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string? folder = null)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            WorkingDirectory = folder ?? "",
        };
        foreach ((string name, string? value) in environment)
            start.Environment[name] = value;
        return start;
    }

    internal sealed record Answer(int ExitCode, string Out, string Error)
    {
        public JsonElement Json => JsonDocument.Parse(Out).RootElement;

        /// <summary>The lines that nvmig itself says on standard error, without its progress.</summary>
        public IReadOnlyList<string> Complaints =>
            [.. Error.Split('\n').Where(line => line.StartsWith("nvmig: ", StringComparison.Ordinal))];
    }
}
