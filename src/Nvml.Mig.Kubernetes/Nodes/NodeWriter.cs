using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>Writes labels and annotations of the node: those that differ, and only while the node asks for what they are about.</summary>
internal sealed class NodeWriter(KubeClient client, KnownNode known, string node, TimeProvider time)
{
    private const int Attempts = 10;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Writes a change.</summary>
    /// <param name="about">What the change is about.</param>
    /// <param name="change">Makes the change of the node as it is.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Whether the node has the change now; false if it asks for something else by now, or is gone.</returns>
    /// <exception cref="KubeException">The API server does not take it.</exception>
    public async Task<bool> WriteAsync(
        WantedLayout? about, Func<KubeObject, NodeEdit> change, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            if (known.Node is not { } now || WantedLayout.Of(now) != about)
                return false;
            if (change(now).ToPatch(now) is not { } patch)
                return true;
            try
            {
                known.See(await client.PatchNodeAsync(node, patch, cancellationToken).ConfigureAwait(false), isOwn: true);
                return true;
            }
            catch (KubeException e) when (e.IsConflict && attempt < Attempts)
            {
                // Somebody else has changed the node, perhaps what it asks for: a state must not stand beside what it is not about.
                await Task.Delay(FirstPause * attempt, time, cancellationToken).ConfigureAwait(false);
                known.See(await client.GetNodeAsync(node, cancellationToken).ConfigureAwait(false));
            }
        }
    }
}
