using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>
/// Tells in events of the node what state it has come to. The same again is the same event, and there are few in a minute.
/// </summary>
internal sealed class EventWriter(KubeClient client, string node, TimeProvider time)
{
    /// <summary>Events of nodes are in this namespace, as a kubelet's are.</summary>
    private const string Namespace = "default";

    private const string Component = "nvmig-agent";

    /// <summary>The server's limit of a message.</summary>
    private const int MaxMessage = 1024;

    private const int MaxPerMinute = 10;

    private readonly Queue<DateTimeOffset> _recent = [];

    /// <summary>Records what state the node has come to, unless too much was recorded of late: the annotation has it in any case.</summary>
    /// <exception cref="KubeException">The API server does not take it.</exception>
    public async Task WriteAsync(KubeObject about, string state, string? reason, WantedLayout wanted, CancellationToken cancellationToken)
    {
        DateTimeOffset now = time.GetUtcNow();
        while (_recent.TryPeek(out DateTimeOffset first) && now - first > TimeSpan.FromMinutes(1))
            _recent.Dequeue();
        if (_recent.Count >= MaxPerMinute)
            return;
        _recent.Enqueue(now);

        string message = $"{wanted}: {reason ?? "all GPUs are divided so."}";
        message = message.Length > MaxMessage ? message[..MaxMessage] : message;
        string stamp = now.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        await client.RecordAsync(
            new EventDocument(
                new EventMetadata($"{node}.{Hash($"{about.Metadata.Uid} {state} {message}")}", Namespace),
                // kubectl describe node finds them by the name as uid, as a kubelet writes it.
                new EventSubject("v1", "Node", node, node),
                state == NodeProtocol.Success ? "Normal" : "Warning",
                state switch { NodeProtocol.Success => "MigApplied", NodeProtocol.Pending => "MigWaiting", _ => "MigFailed" },
                message,
                new EventSource(Component, node),
                stamp,
                stamp,
                1),
            cancellationToken).ConfigureAwait(false);
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
}
