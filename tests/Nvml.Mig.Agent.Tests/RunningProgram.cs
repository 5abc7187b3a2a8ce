using System.Diagnostics;
using System.Text;

namespace Nvml.Mig.Agent.Tests;

/// <summary>A program that runs, and what it says on both streams. Its input is open until somebody ends it.</summary>
internal sealed class RunningProgram : IDisposable
{
    private readonly StringBuilder _said = new();

    public RunningProgram(ProcessStartInfo start)
    {
        start.UseShellExecute = false;
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        Process = Process.Start(start)!;
        Process.OutputDataReceived += (_, line) => Add(line.Data);
        Process.ErrorDataReceived += (_, line) => Add(line.Data);
        Process.BeginOutputReadLine();
        Process.BeginErrorReadLine();
    }

    public Process Process { get; }

    public string Said
    {
        get
        {
            lock (_said)
                return _said.ToString();
        }
    }

    public async Task SaysAsync(string text)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!Said.Contains(text, StringComparison.Ordinal))
        {
            watch.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(1), "it said {0}", Said);
            await Task.Delay(10);
        }
    }

    /// <summary>Waits for its end, and returns the exit code.</summary>
    public async Task<int> EndAsync()
    {
        using CancellationTokenSource late = new(TimeSpan.FromMinutes(1));
        await Process.WaitForExitAsync(late.Token);
        return Process.ExitCode;
    }

    public void Dispose()
    {
        if (!Process.HasExited)
        {
            Process.Kill(entireProcessTree: true);
            Process.WaitForExit(TimeSpan.FromSeconds(10)); // Without a time it waits for whoever has its streams.
        }

        Process.Dispose();
    }

    private void Add(string? line)
    {
        lock (_said)
            _said.AppendLine(line);
    }
}
