using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests;

/// <summary>nvmig-agent as a process of its own, on a machine that it shares with the test.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly Process _process;

    private AgentProcess(Process process) => _process = process;

    public static string Program { get; } =
        Environment.GetEnvironmentVariable("NVMIG_AGENT") ?? Path.Combine(AppContext.BaseDirectory, "nvmig-agent");

    public int Id => _process.Id;

    /// <summary>Starts it, and waits until it answers.</summary>
    public static async Task<AgentProcess> StartAsync(AgentMachine machine, string? faults = null)
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
        AgentProcess agent = new(Process.Start(start)!);
        StringBuilder said = new();
        agent._process.OutputDataReceived += (_, line) => said.AppendLine(line.Data);
        agent._process.ErrorDataReceived += (_, line) => said.AppendLine(line.Data);
        agent._process.BeginOutputReadLine();
        agent._process.BeginErrorReadLine();
        for (int i = 0; i < 2000; i++)
        {
            if (await IsAnsweringAsync(machine.Socket))
                return agent;
            if (agent._process.HasExited)
                break;
            await Task.Delay(10);
        }

        throw new InvalidOperationException($"The agent did not start: {said}");
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
