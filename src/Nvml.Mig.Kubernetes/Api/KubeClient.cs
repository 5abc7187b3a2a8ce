using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Nvml.Mig.Kubernetes.Api;

/// <summary>The requests that the agent of a node makes, and no others.</summary>
internal sealed class KubeClient(KubeConnection connection, KubernetesMetrics metrics) : IDisposable
{
    private const string MergePatch = "application/merge-patch+json";
    private const string PlainJson = "application/json";

    /// <summary>The server leaves out all but the metadata: a node has many kilobytes of status that nobody here reads.</summary>
    private const string MetadataOnly = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    private const string MetadataListOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(30);

    private readonly HttpClient _http = new(connection.CreateHandler())
    {
        BaseAddress = connection.Server,
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>The node, which may not be there, and the version to watch from.</summary>
    public async Task<(KubeObject? Node, string Version)> ListNodeAsync(string name, CancellationToken cancellationToken)
    {
        KubeList list = await AskAsync(
            new Request("list", "nodes", HttpMethod.Get, $"/api/v1/nodes?{OfNode(name)}", MetadataListOnly),
            KubeJson.Default.KubeList,
            cancellationToken).ConfigureAwait(false);
        return (list.Items is [var node, ..] ? node : null, list.Metadata.ResourceVersion);
    }

    public Task<KubeObject> GetNodeAsync(string name, CancellationToken cancellationToken) => AskAsync(
        new Request("get", "nodes", HttpMethod.Get, $"/api/v1/nodes/{name}", MetadataOnly), KubeJson.Default.KubeObject, cancellationToken);

    public Task<KubeObject> PatchNodeAsync(string name, NodePatch patch, CancellationToken cancellationToken) => AskAsync(
        new Request("patch", "nodes", HttpMethod.Patch, $"/api/v1/nodes/{name}", MetadataOnly)
        {
            Body = Content(patch, KubeJson.Default.NodePatch, MergePatch),
        },
        KubeJson.Default.KubeObject,
        cancellationToken);

    /// <summary>The changes of the node from a version on. Ends when the server ends it.</summary>
    /// <param name="name">The node.</param>
    /// <param name="version">The version of the last that was seen.</param>
    /// <param name="connected">Called when the server has taken the watch.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="KubeException">The version is too old (<see cref="KubeException.IsGone"/>), or the watch has failed.</exception>
    public async IAsyncEnumerable<NodeChange> WatchNodeAsync(
        string name, string version, Action connected, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // How long it lasts is the server's decision: without a limit it takes half an hour to an hour.
        Request request = new(
            "watch",
            "nodes",
            HttpMethod.Get,
            $"/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion={Uri.EscapeDataString(version)}&{OfNode(name)}",
            MetadataOnly);
        using HttpResponseMessage response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        connected();
        using StreamReader reader = new(await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false), Encoding.UTF8);
        while (await ReadLineAsync(reader, cancellationToken).ConfigureAwait(false) is { } line)
        {
            KubeChange change = Read(line, KubeJson.Default.KubeChange);
            if (change.Type == "ERROR")
            {
                KubeStatus status = change.Object.Deserialize(KubeJson.Default.KubeStatus) ?? new KubeStatus(null, null, 0);
                throw Failed(request, (HttpStatusCode)status.Code, status);
            }

            KubeObject node = change.Object.Deserialize(KubeJson.Default.KubeObject)
                ?? throw new KubeException(null, $"The API server sent a {change.Type} without an object.");
            bool isThere = change.Type is "ADDED" or "MODIFIED"; // Else it is deleted, or a mark of the time.
            yield return new NodeChange(isThere ? node : null, change.Type == "DELETED", node.Metadata.ResourceVersion);
        }
    }

    /// <summary>The pods of a node with one of these values of the label <c>app</c>.</summary>
    public async Task<IReadOnlyList<KubeObject>> ListPodsAsync(
        string inNamespace, string node, IEnumerable<string> apps, CancellationToken cancellationToken)
    {
        string labels = Uri.EscapeDataString($"app in ({string.Join(',', apps)})");
        string fields = Uri.EscapeDataString($"spec.nodeName={node}");
        KubeList list = await AskAsync(
            new Request(
                "list",
                "pods",
                HttpMethod.Get,
                $"/api/v1/namespaces/{inNamespace}/pods?labelSelector={labels}&fieldSelector={fields}",
                MetadataListOnly),
            KubeJson.Default.KubeList,
            cancellationToken).ConfigureAwait(false);
        return list.Items ?? [];
    }

    /// <summary>Deletes a pod; one that is gone, or replaced by another of its name, is no failure.</summary>
    public async Task DeletePodAsync(string inNamespace, KubeObject pod, CancellationToken cancellationToken)
    {
        Request request = new(
            "delete", "pods", HttpMethod.Delete, $"/api/v1/namespaces/{inNamespace}/pods/{pod.Metadata.Name}", PlainJson)
        {
            Body = Content(new DeleteOptions(new DeletePreconditions(pod.Metadata.Uid)), KubeJson.Default.DeleteOptions, PlainJson),
        };
        try
        {
            using HttpResponseMessage response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeException e) when (e.IsNotFound || e.IsConflict)
        {
        }
    }

    /// <summary>Records an event, or that it has happened again.</summary>
    public async Task RecordAsync(EventDocument happened, CancellationToken cancellationToken)
    {
        string path = $"/api/v1/namespaces/{happened.Metadata.Namespace}/events";
        try
        {
            Request create = new("create", "events", HttpMethod.Post, path, PlainJson)
            {
                Body = Content(happened, KubeJson.Default.EventDocument, PlainJson),
            };
            using HttpResponseMessage response = await SendAsync(create, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeException e) when (e.IsConflict)
        {
            Request again = new("patch", "events", HttpMethod.Patch, $"{path}/{happened.Metadata.Name}", PlainJson)
            {
                Body = Content(new EventPatch(happened.LastTimestamp), KubeJson.Default.EventPatch, MergePatch),
            };
            using HttpResponseMessage response = await SendAsync(again, cancellationToken).ConfigureAwait(false);
        }
    }

    public void Dispose() => _http.Dispose();

    private static string OfNode(string name) => $"fieldSelector={Uri.EscapeDataString($"metadata.name={name}")}";

    private static ByteArrayContent Content<T>(T document, JsonTypeInfo<T> type, string mediaType) =>
        new(JsonSerializer.SerializeToUtf8Bytes(document, type)) { Headers = { ContentType = new MediaTypeHeaderValue(mediaType) } };

    private async Task<T> AskAsync<T>(Request request, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        try
        {
            return Read(await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false), type);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw NoAnswer(request, e);
        }
    }

    /// <summary>Sends a request and waits for the head of the answer, which says that it succeeded.</summary>
    private async Task<HttpResponseMessage> SendAsync(Request request, CancellationToken cancellationToken)
    {
        using HttpRequestMessage message = new(request.Method, request.Path)
        {
            Content = request.Body,
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };
        message.Headers.Accept.ParseAdd(request.Accept);
        message.Headers.UserAgent.ParseAdd("nvmig-agent");
        if (connection.ReadToken() is { } token)
            message.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(AnswerTimeout);
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, late.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException
            || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            metrics.CountRequest(request.Verb, request.Resource, null);
            throw NoAnswer(request, e);
        }

        metrics.CountRequest(request.Verb, request.Resource, response.StatusCode);
        if (response.IsSuccessStatusCode)
            return response;
        using (response)
            throw await ReadFailureAsync(request, response, cancellationToken).ConfigureAwait(false);
    }

    private async Task<KubeException> ReadFailureAsync(
        Request request, HttpResponseMessage response, CancellationToken cancellationToken)
    {
        KubeStatus? status = null;
        try
        {
            status = Read(await response.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false), KubeJson.Default.KubeStatus);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or KubeException)
        {
            // A proxy on the way answers otherwise: the status alone is known.
        }

        KubeException failure = Failed(request, response.StatusCode, status);
        return response.Headers.RetryAfter?.Delta is { } delta
            ? new KubeException(failure.Status, failure.Message) { RetryAfter = delta }
            : failure;
    }

    private KubeException Failed(Request request, HttpStatusCode code, KubeStatus? status)
    {
        string said = status?.Message is { Length: > 0 } message ? $": {message.TrimEnd('.')}." : ".";
        string what = $"The API server {connection.Server} answers {(int)code} to '{request.Verb}' on {request.Resource}{said}";
        return new KubeException(code, code switch
        {
            HttpStatusCode.Forbidden =>
                $"{what} The account of this agent lacks '{request.Verb}' on {request.Resource}: deploy/kubernetes/nvmig-agent.yaml has "
                    + "the rights that it needs.",
            HttpStatusCode.Unauthorized => $"{what} Its token is not known there.",
            _ => what,
        });
    }

    private KubeException NoAnswer(Request request, Exception e) => new(
        null,
        e is OperationCanceledException
            ? $"The API server {connection.Server} does not answer '{request.Verb}' on {request.Resource} in "
                + $"{AnswerTimeout.TotalSeconds} s."
            : $"The API server {connection.Server} cannot be asked for '{request.Verb}' on {request.Resource}: {e.Message}",
        e);

    /// <summary>A watch that breaks off is a failure; one that ends is not.</summary>
    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new KubeException(null, $"The watch of the node broke off: {e.Message}", e);
        }
    }

    private static T Read<T>(string text, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(text, type) ?? throw new KubeException(null, "The API server sent nothing.");
        }
        catch (JsonException e)
        {
            throw new KubeException(null, $"The API server sent what is no {type.Type.Name}: {e.Message}", e);
        }
    }

    private sealed record Request(string Verb, string Resource, HttpMethod Method, string Path, string Accept)
    {
        public HttpContent? Body { get; init; }
    }
}
