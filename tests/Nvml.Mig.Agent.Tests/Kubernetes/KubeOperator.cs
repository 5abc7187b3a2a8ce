using System.Text.Json.Nodes;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>Does what NVIDIA's operator and the controllers do: where a deploy label is true there is a pod, else none.</summary>
internal sealed class KubeOperator : IAsyncDisposable
{
    private static readonly Dictionary<string, string> Apps = new(StringComparer.Ordinal)
    {
        ["nvidia.com/gpu.deploy.device-plugin"] = "nvidia-device-plugin-daemonset",
        ["nvidia.com/gpu.deploy.gpu-feature-discovery"] = "gpu-feature-discovery",
        ["nvidia.com/gpu.deploy.dcgm-exporter"] = "nvidia-dcgm-exporter",
        ["nvidia.com/gpu.deploy.dcgm"] = "nvidia-dcgm",
    };

    private readonly KubeNode _node;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _running;
    private IDisposable? _hold;

    /// <summary>Begins.</summary>
    /// <param name="node">The node.</param>
    /// <param name="holdsGpu">Whether the pod of DCGM keeps GPU 0 open, as NVML does not show.</param>
    public KubeOperator(KubeNode node, bool holdsGpu = false)
    {
        _node = node;
        _hold = holdsGpu ? node.Machine.Simulator.HoldGpu(0) : null;
        _running = Task.Run(RunAsync);
    }

    /// <summary>The values that the label of the device plugin has had.</summary>
    public List<string> Seen { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _hold?.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            JsonNode labels = (await _node.ReadAsync())["labels"] ?? new JsonObject();
            if ((string?)labels[KubeNode.Plugin] is { } value && (Seen.Count == 0 || Seen[^1] != value))
                Seen.Add(value);
            (string App, string Uid, string Path)[] pods = await _node.PodsAsync();
            foreach ((string label, string app) in Apps)
            {
                bool isWanted = (string?)labels[label] == "true";
                if (isWanted && !Array.Exists(pods, p => p.App == app))
                    await _node.CreatePodAsync(app);
                foreach ((_, _, string path) in pods.Where(p => !isWanted && p.App == app))
                    await _node.DeletePodAsync(path);
                if (app == "nvidia-dcgm" && !isWanted)
                {
                    _hold?.Dispose();
                    _hold = null;
                }
            }

            await Task.Delay(20, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
