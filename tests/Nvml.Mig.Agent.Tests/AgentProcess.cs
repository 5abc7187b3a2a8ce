using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests;

/// <summary>nvmig-agent as a process of its own, on a machine that it shares with the test.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly RunningProgram _program;

    private AgentProcess(ProcessStartInfo start) => _program = new RunningProgram(start);

    public static string Program { get; } =
        Environment.GetEnvironmentVariable("NVMIG_AGENT") ?? Path.Combine(AppContext.BaseDirectory, "nvmig-agent");

    public int Id => _program.Process.Id;

    public string Said => _program.Said;

    /// <summary>Starts it, and waits until it answers.</summary>
    public static async Task<AgentProcess> StartAsync(
        AgentMachine machine, string? faults = null, Action<ProcessStartInfo>? configure = null)
    {
        AgentProcess agent = Start(machine, faults, configure);
        for (int i = 0; i < 2000 && !agent._program.Process.HasExited; i++)
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
            ]);
        start.Environment[NvmlSimulator.StateVariable] = machine.StateFile;
        start.Environment[NvmlSimulator.GpusVariable] = machine.Leases.Simulator.Gpus;
        if (faults is not null)
            start.Environment["NVML_STUB_FAULTS"] = faults;
        configure?.Invoke(start);
        return new AgentProcess(start);
    }

    /// <summary>SIGTERM, as service managers send it. Returns the exit code.</summary>
    public async Task<int> StopAsync()
    {
        using Process kill = Process.Start("kill", ["-TERM", Id.ToString(CultureInfo.InvariantCulture)]);
        return await _program.EndAsync();
    }

    /// <summary>SIGKILL.</summary>
    public async Task KillAsync()
    {
        _program.Process.Kill();
        await _program.Process.WaitForExitAsync();
    }

    /// <summary>Its memory, in MiB.</summary>
    public double ReadMemory()
    {
        _program.Process.Refresh();
        return _program.Process.WorkingSet64 / 1048576.0;
    }

    /// <summary>Its processor time, in seconds.</summary>
    public double ReadProcessorTime()
    {
        _program.Process.Refresh();
        return _program.Process.TotalProcessorTime.TotalSeconds;
    }

    public void Dispose() => _program.Dispose();

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
