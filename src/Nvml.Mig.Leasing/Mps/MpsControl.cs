using System.Diagnostics;
using System.Globalization;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>What a command of MPS printed. The exit code says only whether a daemon was there: it is 0 for unknown commands too.</summary>
internal readonly record struct MpsReply(int ExitCode, string Output)
{
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}

/// <summary>Runs <c>nvidia-cuda-mps-control</c>, never for longer than allowed.</summary>
internal sealed class MpsControl(MpsOptions options)
{
    public const string ProgramName = "nvidia-cuda-mps-control";

    private const UnixFileMode AnyExecute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;

    public TimeSpan Timeout => options.Timeout;

    /// <summary>The path of the program. PATH alone is searched: root must not run what lies about.</summary>
    /// <exception cref="MpsException">There is none.</exception>
    public string Find()
    {
        string? named = options.Program ?? Environment.GetEnvironmentVariable(MpsOptions.ProgramVariable);
        if (!string.IsNullOrEmpty(named))
        {
            return IsExecutable(named)
                ? named
                : throw new MpsException(MpsProblem.NotInstalled, $"There is no program {named}, or it may not be executed.");
        }

        return (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Where(Path.IsPathFullyQualified)
            .Select(folder => Path.Combine(folder, ProgramName))
            .FirstOrDefault(IsExecutable)
            ?? throw new MpsException(
                MpsProblem.NotInstalled,
                $"Fractions by MPS need {ProgramName}, which is not on PATH. It comes with the driver (nvidia-compute-utils).");
    }

    /// <summary>Starts a daemon, and returns when it has gone into the background.</summary>
    public Task<MpsReply> StartDaemonAsync(MpsFolder folder, CancellationToken cancellationToken) =>
        RunAsync(folder, "-d", [], cancellationToken);

    /// <summary>Asks the daemon of a folder.</summary>
    /// <exception cref="MpsException">It does not answer in time.</exception>
    public Task<MpsReply> AskAsync(MpsFolder folder, string[] commands, CancellationToken cancellationToken) =>
        RunAsync(folder, argument: null, commands, cancellationToken);

    private static bool IsExecutable(string path)
    {
        if (OperatingSystem.IsWindows())
            throw new PlatformNotSupportedException("MPS exists on Linux only.");
        return File.Exists(path) && (File.GetUnixFileMode(path) & AnyExecute) != UnixFileMode.None;
    }

    private async Task<MpsReply> RunAsync(MpsFolder folder, string? argument, string[] commands, CancellationToken cancellationToken)
    {
        string said = argument is null ? $"'{string.Join("; ", commands)}' to {ProgramName}" : $"'{ProgramName} {argument}'";
        cancellationToken.ThrowIfCancellationRequested();
        options.Step?.Invoke();
        using Process process = Start(folder, argument, said);
        // Disposing of the process leaves them open.
        using StreamWriter input = process.StandardInput;
        using StreamReader outputReader = process.StandardOutput, errorReader = process.StandardError;
        Task<string> output = outputReader.ReadToEndAsync(CancellationToken.None);
        Task<string> error = errorReader.ReadToEndAsync(CancellationToken.None);
        using CancellationTokenSource end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        end.CancelAfter(options.Timeout);
        try
        {
            await WriteAsync(input, commands).ConfigureAwait(false);
            options.Step?.Invoke();
            await process.WaitForExitAsync(end.Token).ConfigureAwait(false);
            string printed = await output.WaitAsync(options.Timeout, cancellationToken).ConfigureAwait(false);
            string complained = await error.WaitAsync(options.Timeout, cancellationToken).ConfigureAwait(false);
            options.Step?.Invoke();
            return new MpsReply(process.ExitCode, printed + complained);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            cancellationToken.ThrowIfCancellationRequested();
            throw new MpsException(MpsProblem.Silent, string.Create(
                CultureInfo.InvariantCulture,
                $"{said} got no answer within {options.Timeout.TotalSeconds:0.###} s, in {folder.Pipe}, for {folder.Device}."));
        }
        catch (TimeoutException e)
        {
            throw new MpsException(MpsProblem.Silent, $"{said} has ended, but its output has not, in {folder.Pipe}.", e);
        }
    }

    private Process Start(MpsFolder folder, string? argument, string said)
    {
        ProcessStartInfo start = new(Find())
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        };
        if (argument is not null)
            start.ArgumentList.Add(argument);
        // Percentages and limits of our own environment would be the daemon's defaults.
        foreach (string name in start.Environment.Keys.Where(name => name.StartsWith("CUDA_", StringComparison.Ordinal)).ToArray())
            start.Environment.Remove(name);
        start.Environment["CUDA_MPS_PIPE_DIRECTORY"] = folder.Pipe;
        start.Environment["CUDA_MPS_LOG_DIRECTORY"] = folder.Log;
        start.Environment["CUDA_VISIBLE_DEVICES"] = folder.Device;
        try
        {
            // Only what stays can do harm with what it inherits.
            using IDisposable? kept = argument is null ? null : MpsHost.KeepFiles();
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new MpsException(MpsProblem.NotInstalled, $"{said} cannot be run: {e.Message}.", e);
        }
    }

    private static async Task WriteAsync(StreamWriter input, string[] commands)
    {
        try
        {
            await input.WriteAsync(string.Concat(commands.Select(command => command + "\n"))).ConfigureAwait(false);
            input.Close();
        }
        catch (IOException)
        {
            // It ended before it had read everything; its exit code says why.
        }
    }
}
