using System.Globalization;
using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>Runs programs of the host, each in a process group of its own: a Ctrl-C does not end them half-way.</summary>
internal static class HostCommand
{
    /// <summary>The last part of a program's output, for a message.</summary>
    private const int LongestOutput = 2_000;

    private const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Its name on PATH, or its path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="timeout">
    /// How long it may take before it is killed, with the processes of its group. <see cref="Timeout.InfiniteTimeSpan"/>: no limit.
    /// </param>
    /// <param name="cancellationToken">Kills it too.</param>
    /// <exception cref="HostCommandException">
    /// It is not there, cannot be run, took too long, or ended with an exit code other than 0.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <returns>Its standard output.</returns>
    public static async Task<string> RunAsync(
        string program, IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        string line = string.Join(' ', [program, .. arguments]);
        using ChildProcess process = Start(Find(program, line), arguments, line);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        either.CancelAfter(timeout);
        try
        {
            Task<string> output = ReadAsync(process.Output);
            Task<string> error = ReadAsync(process.Error);
            await Task.WhenAll(output, error, process.Ended).WaitAsync(either.Token).ConfigureAwait(false);
            string written = await output.ConfigureAwait(false);
            ChildEnd end = await process.Ended.ConfigureAwait(false);
            if (end.ExitCode == 0)
                return written;
            string how = end.ExitCode is { } code ? Invariant($"ended with exit code {code}")
                : end.Signal is { } signal ? Invariant($"was ended by signal {signal}")
                : "ended, and its exit code is not known";
            throw new HostCommandException(end.ExitCode, $"'{line}' {how}{Said(await error.ConfigureAwait(false), written)}");
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            cancellationToken.ThrowIfCancellationRequested();
            throw new HostCommandException(null, Invariant($"'{line}' did not end within {timeout.TotalSeconds:0.###} s, and was killed."));
        }
    }

    private static async Task<string> ReadAsync(Stream stream)
    {
        using StreamReader reader = new(stream);
        return await reader.ReadToEndAsync().ConfigureAwait(false);
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
            if (File.Exists(file) && (File.GetUnixFileMode(file) & AnyExecute) != UnixFileMode.None)
                return file;
        }

        throw new HostCommandException(null, $"'{line}' cannot be run: there is no {program} on PATH.") { IsMissing = true };
    }

    private static ChildProcess Start(string file, IReadOnlyList<string> arguments, string line)
    {
        try
        {
            return ChildProcess.Start(file, arguments);
        }
        catch (IOException e)
        {
            throw new HostCommandException(null, $"'{line}' cannot be run: {e.Message}.", e);
        }
    }

    private static string Said(string error, string output)
    {
        string said = (error.Trim() + "\n" + output.Trim()).Trim();
        return said.Length == 0 ? ", and said nothing." : $": {(said.Length > LongestOutput ? "..." + said[^LongestOutput..] : said)}";
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A program of the host could not be run, or failed.</summary>
internal sealed class HostCommandException : Exception
{
    /// <summary>Creates an exception.</summary>
    public HostCommandException(int? exitCode, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        ExitCode = exitCode;
    }

    /// <summary>The exit code; null if the program did not end by itself.</summary>
    public int? ExitCode { get; }

    /// <summary>Whether there is no such program.</summary>
    public bool IsMissing { get; init; }
}
