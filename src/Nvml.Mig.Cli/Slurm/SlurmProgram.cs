using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>Runs a program to its end, and returns what it printed.</summary>
/// <exception cref="SlurmException">It is not there, or failed.</exception>
internal delegate Task<string> RunProgram(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken);

/// <summary>Programs of the host as processes.</summary>
internal static class SlurmProgram
{
    /// <summary>slurmd can run its scripts without a PATH.</summary>
    private const string DefaultPath = "/usr/local/bin:/usr/bin:/bin";

    /// <summary>Longer than Slurm's programs try to reach slurmctld.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <inheritdoc cref="RunProgram"/>
    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        string line = string.Join(' ', [program, .. arguments]);
        string file = FindFile(program) ?? throw new SlurmException($"'{line}' cannot be run: there is no {program} on PATH.");
        ProcessStartInfo start = new(file, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        either.CancelAfter(Patience);
        using Process process = Start(start, line);
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(either.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(either.Token);
            await Task.WhenAll(output, error, process.WaitForExitAsync(either.Token));
            string printed = await output;
            if (process.ExitCode == 0)
                return printed;
            string said = OneLine($"{error.Result} {printed}");
            throw new SlurmException(string.Create(
                CultureInfo.InvariantCulture, $"'{line}' ended with exit code {process.ExitCode}: {said}"));
        }
        catch (OperationCanceledException e)
        {
            process.Kill(entireProcessTree: true);
            cancellationToken.ThrowIfCancellationRequested();
            throw new SlurmException($"'{line}' did not end within two minutes, and was killed.", e);
        }
    }

    /// <summary>A text in one line, as Slurm keeps comments and reasons.</summary>
    public static string OneLine(string text) =>
        string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>
    /// Looks along PATH alone. .NET would look beside this program and in the current folder first, where root must not run what lies
    /// about.
    /// </summary>
    public static string? FindFile(string program)
    {
        string path = Environment.GetEnvironmentVariable("PATH") is { Length: > 0 } set ? set : DefaultPath;
        return path.Split(':').Where(Path.IsPathFullyQualified).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
    }

    private static Process Start(ProcessStartInfo start, string line)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new SlurmException($"'{line}' cannot be run: {e.Message}", e);
        }
    }
}
