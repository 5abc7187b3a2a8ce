namespace Nvml.Mig.Kubernetes;

/// <summary>The pauses between attempts: a second at first, twice as long each time, and not the same on all nodes of a cluster.</summary>
internal sealed class Backoff(TimeSpan max)
{
    private static readonly TimeSpan First = TimeSpan.FromSeconds(1);

    private TimeSpan _next = First < max ? First : max;

    /// <summary>The next pause: from half of it to all of it, or at least as long as the other side asks for.</summary>
    public TimeSpan Next(TimeSpan? atLeast = null)
    {
#pragma warning disable CA5394 // A pause is no secret: it only has to differ from node to node.
        TimeSpan pause = _next * (0.5 + (Random.Shared.NextDouble() / 2));
#pragma warning restore CA5394
        _next = _next * 2 < max ? _next * 2 : max;
        return atLeast > pause ? atLeast.Value : pause;
    }

    public void Reset() => _next = First < max ? First : max;
}
