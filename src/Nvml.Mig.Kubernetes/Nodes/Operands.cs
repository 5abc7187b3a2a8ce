using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>
/// The pods of NVIDIA's operator on the node that use its GPUs: paused for a change of the mode, and renewed after a change.
/// </summary>
internal sealed class Operands(KubeClient client, KubernetesOptions options, TimeProvider time)
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(500);

    private static readonly TimeSpan MaxPause = TimeSpan.FromSeconds(5);

    /// <summary>Of the further client no name of its pods is known.</summary>
    private readonly (string Label, string? App)[] _all = options.ClientLabel is { } label
        ? [.. NodeProtocol.Operands, (label, null)]
        : [.. NodeProtocol.Operands];

    /// <summary>Those that run are to pause. Those that are not wanted, or that somebody else has paused, stay as they are.</summary>
    public NodeEdit Pause(KubeObject node, NodeEdit edit) => Replace(node, edit, NodeProtocol.Deployed, NodeProtocol.Paused);

    /// <summary>Those that pause are to run.</summary>
    public NodeEdit Resume(KubeObject node, NodeEdit edit) => Replace(node, edit, NodeProtocol.Paused, NodeProtocol.Deployed);

    /// <summary>Waits until the pods of those that pause have gone.</summary>
    /// <returns>The pods that have not gone in time; none if all have.</returns>
    public async Task<IReadOnlyList<string>> WaitUntilGoneAsync(KubeObject node, CancellationToken cancellationToken)
    {
        string[] apps = [.. _all.Where(o => node.Metadata.Label(o.Label) == NodeProtocol.Paused).Select(o => o.App).OfType<string>()];
        if (apps.Length == 0)
            return [];
        long started = time.GetTimestamp();
        TimeSpan pause = FirstPause;
        while (true)
        {
            IReadOnlyList<KubeObject> pods =
                await client.ListPodsAsync(options.Namespace, options.Node!, apps, cancellationToken).ConfigureAwait(false);
            if (pods.Count == 0 || time.GetElapsedTime(started) >= options.PodTimeout)
                return [.. pods.Select(p => p.Metadata.Name)];
            await Task.Delay(pause, time, cancellationToken).ConfigureAwait(false);
            pause = pause * 2 < MaxPause ? pause * 2 : MaxPause;
        }
    }

    /// <summary>Deletes the pods that must begin anew to see new instances; their owners make others.</summary>
    /// <returns>Those that it deleted.</returns>
    public async Task<IReadOnlyList<string>> RenewAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<KubeObject> pods =
            await client.ListPodsAsync(options.Namespace, options.Node!, NodeProtocol.Renewed, cancellationToken).ConfigureAwait(false);
        foreach (KubeObject pod in pods)
            await client.DeletePodAsync(options.Namespace, pod, cancellationToken).ConfigureAwait(false);
        return [.. pods.Select(p => p.Metadata.Name)];
    }

    private NodeEdit Replace(KubeObject node, NodeEdit edit, string from, string to)
    {
        foreach ((string label, _) in _all)
        {
            if (node.Metadata.Label(label) == from)
                edit.Label(label, to);
        }

        return edit;
    }
}
