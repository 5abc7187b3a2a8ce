using System.Collections.ObjectModel;
using System.Globalization;
using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>
/// The node as it was last seen: by the watch, or in the answer to a patch. It wakes whoever acts on it when it says something new.
/// </summary>
internal sealed class KnownNode : IDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _news = new(0, 1);
    private KubeObject? _node;
    private string _said = "";
    private WantedLayout? _wanted;
    private CancellationTokenSource? _pass;

    /// <summary>Null before it was seen, and when it is deleted.</summary>
    public KubeObject? Node
    {
        get
        {
            lock (_lock)
                return _node;
        }
    }

    /// <summary>Takes what the watch tells, or the answer to a request, in whatever order they come.</summary>
    /// <param name="node">The node.</param>
    /// <param name="isOwn">Whether it is what this agent has just made of it, which is no news.</param>
    public void See(KubeObject node, bool isOwn = false)
    {
        lock (_lock)
        {
            if (_node is null || _node.Metadata.Uid != node.Metadata.Uid || !IsOlder(node, _node))
                Take(node, isOwn);
        }
    }

    /// <summary>Takes a list, which is right whatever was known before. Null: the node is not there.</summary>
    public void SetTo(KubeObject? node)
    {
        lock (_lock)
            Take(node, isOwn: false);
    }

    /// <summary>Begins to act on what the node asks for; the token ends it when the node asks for something else.</summary>
    public (KubeObject? Node, CancellationTokenSource Pass) Begin(CancellationToken stopping)
    {
        lock (_lock)
        {
            // The pass acts on all news until now.
            _news.Wait(0, CancellationToken.None);
            _pass = CancellationTokenSource.CreateLinkedTokenSource(stopping);
            return (_node, _pass);
        }
    }

    public void End(CancellationTokenSource pass)
    {
        lock (_lock)
            _pass = null;
        pass.Dispose();
    }

    /// <summary>Waits until the node says something new, or the time is over.</summary>
    /// <returns>Whether there is something new.</returns>
    public Task<bool> WaitAsync(TimeSpan time, CancellationToken cancellationToken) => _news.WaitAsync(time, cancellationToken);

    public void Dispose() => _news.Dispose();

    private void Take(KubeObject? node, bool isOwn)
    {
        WantedLayout? wanted = node is null ? null : WantedLayout.Of(node);
        string said = node is null ? "" : SaidBy(node);
        bool isNews = wanted != _wanted || (!isOwn && (said != _said || (node is null) != (_node is null)));
        (_node, _said) = (node, said);
        if (wanted != _wanted)
        {
            _wanted = wanted;
            // Not Cancel: what is registered on the token must not run here.
            _ = _pass?.CancelAsync();
        }

        if (isNews && _news.CurrentCount == 0)
            _news.Release();
    }

    /// <summary>
    /// The labels and annotations by which a node speaks to this agent: its other changes, such as those of its status, wake nobody.
    /// </summary>
    private static string SaidBy(KubeObject node) => string.Join('\n', ((IReadOnlyDictionary<string, string>?[])
        [node.Metadata.Labels, node.Metadata.Annotations])
        .SelectMany(pairs => pairs ?? ReadOnlyDictionary<string, string>.Empty)
        .Where(pair => NodeProtocol.IsOurs(pair.Key))
        .OrderBy(pair => pair.Key, StringComparer.Ordinal)
        .Select(pair => $"{pair.Key}={pair.Value}"));

    /// <summary>Versions are numbers that grow, as API servers have them; of others it is not known, and the last to come counts.</summary>
    private static bool IsOlder(KubeObject node, KubeObject than) =>
        ulong.TryParse(node.Metadata.ResourceVersion, CultureInfo.InvariantCulture, out ulong version)
        && ulong.TryParse(than.Metadata.ResourceVersion, CultureInfo.InvariantCulture, out ulong known)
        && version < known;
}
