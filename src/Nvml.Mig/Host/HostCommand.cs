using System.Diagnostics;
using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>Runs programs of the host.</summary>
internal static class HostCommand
{
    /// <summary>What of a program's output goes into a message: the last of it says most.</summary>
    private const int LongestOutput = 2_000;

    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Its name on PATH, or its path.</param>
    /// <param name="arguments">What it is given.</param>
    /// <param name="timeout">
    /// How long it may take; it is then killed, with what it started. <see cref="Timeout.InfiniteTimeSpan"/>: as long as it likes.
    /// </param>
    /// <param name="cancellationToken">Kills it too.</param>
    /// <exception cref="HostCommandException">
    /// It is not there, cannot be run, took too long, or ended with an exit code other than 0.
    /// </exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <returns>What it wrote to standard output.</returns>
    public static async Task<string> RunAsync(string program, IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        string line = string.Join(' ', [program, .. arguments]);
        ProcessStartInfo start = new(Find(program, line), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        using Process process = Start(start, line);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        either.CancelAfter(timeout);
        try
        {
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(either.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(either.Token);
            await Task.WhenAll(output, error, process.WaitForExitAsync(either.Token)).ConfigureAwait(false);
            string written = await output.ConfigureAwait(false);
            string said = Said(await error.ConfigureAwait(false), written);
            return process.ExitCode == 0
                ? written
                : throw new HostCommandException(process.ExitCode, string.Create(CultureInfo.InvariantCulture, $"'{line}' ended with exit code {process.ExitCode}{said}"));
        }
        catch (OperationCanceledException)
        {
            Kill(process);
            cancellationToken.ThrowIfCancellationRequested();
            throw new HostCommandException(null, string.Create(CultureInfo.InvariantCulture, $"'{line}' did not end within {timeout.TotalSeconds:0.###} s, and was killed."));
        }
    }

    /// <summary>
    /// Looks along PATH alone. .NET would look beside this program and in the current folder first, where root must not run what lies
    /// about.
    /// </summary>
    private static string Find(string program, string line)
    {
        if (program.Contains('/', StringComparison.Ordinal))
            return program;
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MIG exists on Linux only.");
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
        {
            if (!Path.IsPathFullyQualified(folder))
                continue;
            string file = Path.Combine(folder, program);
            if (File.Exists(file) && (File.GetUnixFileMode(file) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != UnixFileMode.None)
                return file;
        }

        throw new HostCommandException(null, $"'{line}' cannot be run: there is no {program} on PATH.");
    }

    private static Process Start(ProcessStartInfo start, string line)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new HostCommandException(null, $"'{line}' cannot be run: {e.Message}.", e);
        }
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    private static string Said(string error, string output)
    {
        string said = (error.Trim() + "\n" + output.Trim()).Trim();
        return said.Length == 0 ? ", and said nothing." : $": {(said.Length > LongestOutput ? "..." + said[^LongestOutput..] : said)}";
    }
}

/// <summary>A program of the host did not do what it was run for.</summary>
internal sealed class HostCommandException : Exception
{
    /// <summary>Creates an exception.</summary>
    public HostCommandException(int? exitCode, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        ExitCode = exitCode;
    }

    /// <summary>The exit code; null if the program did not come to an end of its own.</summary>
    public int? ExitCode { get; }
}
