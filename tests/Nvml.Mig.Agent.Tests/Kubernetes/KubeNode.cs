using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nvml.Mig.Hosting;
using Nvml.Mig.Kubernetes;
using Nvml.Mig.Leasing.Tests.Leases;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>A node of the cluster, its simulated GPUs, and an agent that keeps them.</summary>
internal sealed class KubeNode : IAsyncDisposable
{
    public const string Layout = "nvidia.com/mig.config";
    public const string State = "nvidia.com/mig.config.state";
    public const string Plugin = "nvidia.com/gpu.deploy.device-plugin";
    public const string Paused = "paused-for-mig-change";
    public const string Spec = "nvml-mig/layout";
    public const string Reason = "nvml-mig/reason";
    public const string Changing = "nvml-mig/changing";

    private readonly KubeCluster _cluster;
    private readonly string _folder;
    private IHost? _agent;

    private KubeNode(KubeCluster cluster, string gpus, bool hasMig)
    {
        _cluster = cluster;
        _folder = Directory.CreateTempSubdirectory("nvmig-node-").FullName;
        Name = cluster.NextNode();
        Machine = new LeaseMachine(gpus, Directory.CreateDirectory(File("shared")).FullName, hasMig);
    }

    public string Name { get; }

    public LeaseMachine Machine { get; }

    public static async Task<KubeNode> CreateAsync(KubeCluster cluster, string gpus = "H100-SXM5-80GB", bool hasMig = true)
    {
        KubeNode node = new(cluster, gpus, hasMig);
        await cluster.SendAsync(
            HttpMethod.Post, "/api/v1/nodes", $$$"""{"apiVersion":"v1","kind":"Node","metadata":{"name":"{{{node.Name}}}"}}""");
        return node;
    }

    public string File(string name) => Path.Combine(_folder, name);

    /// <summary>Starts an agent in this process.</summary>
    /// <param name="server">The API server, or what is before it; null: itself.</param>
    /// <param name="token">The account.</param>
    /// <param name="configure">Sets more options.</param>
    public async Task StartAgentAsync(
        string? server = null, string token = KubeCluster.AgentToken, Action<KubernetesOptions>? configure = null)
    {
        HostApplicationBuilder builder =
            Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.ClearProviders();
        builder.Services.AddNvmlMig(o => o.LibraryPath = Machine.Simulator.LibraryPath).AddKubernetesNode(o =>
        {
            o.Node = Name;
            o.Namespace = KubeCluster.Namespace;
            o.Server = server ?? _cluster.Server;
            o.CertificateFile = _cluster.CertificateFile;
            o.TokenFile = _cluster.TokenFile(token);
            o.JournalFolder = Machine.JournalFolder;
            o.ReadInterval = TimeSpan.FromSeconds(1);
            o.MaxRetryDelay = TimeSpan.FromSeconds(1);
            o.PodTimeout = TimeSpan.FromSeconds(20);
            configure?.Invoke(o);
        });
        _agent = builder.Build();
        await _agent.StartAsync();
    }

    public T Service<T>()
        where T : notnull => _agent!.Services.GetRequiredService<T>();

    public async Task StopAgentAsync()
    {
        if (_agent is { } agent)
        {
            await agent.StopAsync();
            agent.Dispose();
        }

        _agent = null;
    }

    public Task LabelAsync(string name, string? value) => PatchAsync("labels", name, value);

    public Task AnnotateAsync(string name, string? value) => PatchAsync("annotations", name, value);

    public async Task<JsonNode> ReadAsync() => (await _cluster.SendAsync(HttpMethod.Get, $"/api/v1/nodes/{Name}"))["metadata"]!;

    public async Task<string?> LabelAsync(string name) => (string?)(await ReadAsync())["labels"]?[name];

    /// <summary>How many instances of each profile there are on a GPU: <c>1g.10gb*7</c>; <c>disabled</c> without MIG.</summary>
    public string Layouts(int gpu)
    {
        GpuDevice device = Machine.Session.Devices[gpu];
        return !device.GetMigMode().Current ? "disabled" : string.Join(',', device.GetGpuInstances()
            .GroupBy(i => i.Profile.Name, StringComparer.Ordinal).OrderBy(p => p.Key, StringComparer.Ordinal)
            .Select(p => $"{p.Key}*{p.Count()}"));
    }

    /// <summary>Waits until the node is as it should be, and nothing is left of a change.</summary>
    /// <returns>Its metadata.</returns>
    public async Task<JsonNode> WaitAsync(string state, Func<JsonNode, bool>? more = null)
    {
        JsonNode? node = null;
        for (int i = 0; i < 1200; i++)
        {
            node = await ReadAsync();
            if ((string?)node["labels"]?[State] == state && node["annotations"]?[Changing] is null && (more is null || more(node)))
                return node;
            await Task.Delay(50);
        }

        throw new InvalidOperationException($"The node is not {state} in a minute: {node}");
    }

    /// <summary>Waits until the node has this state, with a reason that has these words.</summary>
    public async Task<string> WaitForReasonAsync(string state, string words)
    {
        JsonNode node = await WaitAsync(
            state, n => ((string?)n["annotations"]?[Reason])?.Contains(words, StringComparison.Ordinal) == true);
        return (string)node["annotations"]![Reason]!;
    }

    public async Task WaitUntilAsync(Func<Task<bool>> isSo, string what)
    {
        for (int i = 0; i < 1200; i++)
        {
            if (await isSo())
                return;
            await Task.Delay(50);
        }

        throw new InvalidOperationException($"In a minute it did not come to this: {what}. {await ReadAsync()}");
    }

    /// <summary>Creates a pod on the node. Without a kubelet it goes at once when it is deleted, or never.</summary>
    public Task CreatePodAsync(string app, bool isStubborn = false) => _cluster.SendAsync(
        HttpMethod.Post,
        $"/api/v1/namespaces/{KubeCluster.Namespace}/pods",
        $$$"""
        {"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"{{{app}}}-","labels":{"app":"{{{app}}}"}},
         "spec":{"nodeName":"{{{Name}}}","terminationGracePeriodSeconds":{{{(isStubborn ? 600 : 0)}}},
         "containers":[{"name":"c","image":"i"}]}}
        """);

    /// <summary>The pods of the node.</summary>
    public async Task<(string App, string Uid, string Path)[]> PodsAsync()
    {
        string path = $"/api/v1/namespaces/{KubeCluster.Namespace}/pods";
        JsonNode list = await _cluster.SendAsync(HttpMethod.Get, $"{path}?fieldSelector=spec.nodeName%3D{Name}");
        return [.. list["items"]!.AsArray().Select(p => p!["metadata"]!).Select(p =>
            ((string)p["labels"]!["app"]!, (string)p["uid"]!, $"{path}/{p["name"]}"))];
    }

    public async Task DeletePodAsync(string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Delete, path)
        {
            Content = new StringContent("""{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}"""),
        };
        request.Content.Headers.ContentType = new("application/json");
        using HttpResponseMessage response = await _cluster.Client.SendAsync(request); // It may be gone by now.
    }

    /// <summary>The events of the node: their type, reason and message.</summary>
    public async Task<string[]> EventsAsync()
    {
        JsonNode list = await _cluster.SendAsync(
            HttpMethod.Get, $"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3D{Name}");
        return [.. list["items"]!.AsArray().Select(e => $"{e!["type"]} {e["reason"]}: {e["message"]}")];
    }

    public async ValueTask DisposeAsync()
    {
        await StopAgentAsync();
        Machine.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private Task<JsonNode> PatchAsync(string kind, string name, string? value) => _cluster.SendAsync(
        HttpMethod.Patch,
        $"/api/v1/nodes/{Name}",
        new JsonObject { ["metadata"] = new JsonObject { [kind] = new JsonObject { [name] = value } } }.ToJsonString(),
        "application/merge-patch+json");
}
