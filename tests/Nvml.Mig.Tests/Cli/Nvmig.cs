using System.Diagnostics;
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

    /// <summary>The simulated driver.</summary>
    public static string Stub => Path.Combine(AppContext.BaseDirectory, "libnvml-stub.so");

    /// <summary>The simulated driver with R470's functions only.</summary>
    public static string Stub470 => Path.Combine(AppContext.BaseDirectory, "libnvml-stub-470.so");

    /// <summary>Runs it on the simulated machine.</summary>
    public Answer Run(params string[] arguments) => RunBare(["--simulate", Simulate, .. arguments]);

    /// <summary>From now on <see cref="RunBare"/> takes the simulated machine for a real one.</summary>
    public void PassForReal()
    {
        Environment["NVML_LIBRARY_PATH"] = Stub;
        Environment["NVML_STUB_GPUS"] = Simulate;
    }

    /// <summary>Runs it with these arguments alone.</summary>
    public Answer RunBare(params string[] arguments) => Start(Path.Combine(AppContext.BaseDirectory, "nvmig"), arguments, Environment);

    public static Answer Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?> environment, string? folder = null)
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
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromMinutes(2)))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end.");
        }

        process.WaitForExit();
        return new Answer(process.ExitCode, output.Result, error.Result);
    }

    public void Dispose() => _folder.Dispose();

    internal sealed record Answer(int ExitCode, string Out, string Error)
    {
        public JsonElement Json => JsonDocument.Parse(Out).RootElement;

        /// <summary>The lines that nvmig itself says on standard error, without its progress.</summary>
        public IReadOnlyList<string> Complaints => [.. Error.Split('\n').Where(line => line.StartsWith("nvmig: ", StringComparison.Ordinal))];
    }
}
