using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests;

/// <summary>nvmig-agent as a process of its own, on a machine that it shares with the test.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _said = new();

    private AgentProcess(Process process)
    {
        _process = process;
        _process.OutputDataReceived += (_, line) => Add(line.Data);
        _process.ErrorDataReceived += (_, line) => Add(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public static string Program { get; } =
        Environment.GetEnvironmentVariable("NVMIG_AGENT") ?? Path.Combine(AppContext.BaseDirectory, "nvmig-agent");

    public int Id => _process.Id;

    public string Said
    {
        get
        {
            lock (_said)
                return _said.ToString();
        }
    }

    /// <summary>Starts it, and waits until it answers.</summary>
    public static async Task<AgentProcess> StartAsync(
        AgentMachine machine, string? faults = null, Action<ProcessStartInfo>? configure = null)
    {
        AgentProcess agent = Start(machine, faults, configure);
        for (int i = 0; i < 2000 && !agent._process.HasExited; i++)
        {
            if (await IsAnsweringAsync(machine.Socket))
                return agent;
            await Task.Delay(10);
        }

        throw new InvalidOperationException($"The agent did not start: {agent.Said}");
    }

    /// <summary>Starts it.</summary>
    public static AgentProcess Start(AgentMachine machine, string? faults = null, Action<ProcessStartInfo>? configure = null)
    {
        ProcessStartInfo start = new(
            Program,
            [
                "--socket", machine.Socket, "--record-folder", machine.Leases.JournalFolder,
                "--library", machine.Leases.Simulator.LibraryPath,
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment[NvmlSimulator.StateVariable] = machine.StateFile;
        start.Environment[NvmlSimulator.GpusVariable] = machine.Leases.Simulator.Gpus;
        if (faults is not null)
            start.Environment["NVML_STUB_FAULTS"] = faults;
        configure?.Invoke(start);
        return new AgentProcess(Process.Start(start)!);
    }

    /// <summary>SIGTERM, as service managers send it. Returns the exit code.</summary>
    public async Task<int> StopAsync()
    {
        using CancellationTokenSource late = new(TimeSpan.FromMinutes(1));
        using Process kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]);
        await _process.WaitForExitAsync(late.Token);
        return _process.ExitCode;
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Its memory, in MiB.</summary>
    public double ReadMemory()
    {
        _process.Refresh();
        return _process.WorkingSet64 / 1048576.0;
    }

    /// <summary>Its processor time, in seconds.</summary>
    public double ReadProcessorTime()
    {
        _process.Refresh();
        return _process.TotalProcessorTime.TotalSeconds;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Add(string? line)
    {
        lock (_said)
            _said.AppendLine(line);
    }

    private static async Task<bool> IsAnsweringAsync(string path)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
