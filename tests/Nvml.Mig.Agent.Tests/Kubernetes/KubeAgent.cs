using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>nvmig-agent as a process, which can be killed.</summary>
internal sealed class KubeAgent : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _said = new();

    private KubeAgent(Process process) => _process = process;

    public bool HasEnded => _process.HasExited;

    public string Said
    {
        get
        {
            lock (_said)
                return _said.ToString();
        }
    }

    public static KubeAgent Start(KubeCluster cluster, KubeNode node, KubeProxy proxy, NvmlFault? fault = null)
    {
        string config = node.File("agent.json");
        File.WriteAllText(config, new JsonObject
        {
            ["Kubernetes"] = new JsonObject
            {
                ["Namespace"] = KubeCluster.Namespace,
                ["Server"] = proxy.Address,
                ["TokenFile"] = cluster.TokenFile(KubeCluster.AgentToken),
                ["ReadInterval"] = "00:00:01",
                ["MaxRetryDelay"] = "00:00:01",
                ["PodTimeout"] = "00:00:20",
            },
        }.ToJsonString());
        ProcessStartInfo start = new(
            AgentProcess.Program,
            [
                "--kubernetes", node.Name, "--config", config, "--socket", node.File("agent.sock"),
                "--record-folder", node.Machine.JournalFolder, "--library", node.Machine.Simulator.LibraryPath,
            ])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment[NvmlSimulator.StateVariable] = Path.Combine(node.File("shared"), "machine");
        start.Environment[NvmlSimulator.GpusVariable] = node.Machine.Simulator.Gpus;
        if (fault is not null)
            start.Environment["NVML_STUB_FAULTS"] = fault.ToString();
        KubeAgent agent = new(Process.Start(start)!);
        agent._process.OutputDataReceived += (_, line) => agent.Hear(line.Data);
        agent._process.ErrorDataReceived += (_, line) => agent.Hear(line.Data);
        agent._process.BeginOutputReadLine();
        agent._process.BeginErrorReadLine();
        return agent;
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.Dispose();
    }

    private void Hear(string? line)
    {
        lock (_said)
            _said.AppendLine(line);
    }
}
