using System.Diagnostics.CodeAnalysis;

namespace Nvml.Mig.Leasing;

/// <summary>A queue of claims, or a group of such queues: a team, a project, a department. Claims go to queues without children.</summary>
/// <param name="Name">The name.</param>
[SuppressMessage("Naming", "CA1711", Justification = "A queue is what every scheduler calls it.")]
public sealed record LeaseQueue(string Name)
{
    /// <summary>The queue that this one is a part of; null for one at the top.</summary>
    public string? Parent { get; init; }

    /// <summary>What the queue can always have, and claim back from others; null: whatever it asks for.</summary>
    public Slices? Quota { get; init; }

    /// <summary>What the queue can have at most; null: without end.</summary>
    public Slices? Limit { get; init; }

    /// <summary>How much of its quota others can have while it does not use it; null: all of it.</summary>
    public Slices? LendingLimit { get; init; }

    /// <summary>
    /// Its part of what is left above the quotas, in relation to the other queues of its priority. 0: nothing above its quota.
    /// </summary>
    public int Weight { get; init; } = 1;

    /// <summary>What is left above the quotas goes to queues of a higher priority first. It does not touch the quotas.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// The fate of a lease that has been idle for <see cref="IdleAfter"/>: no process has used its instances, or none has computed
    /// anything, where the GPU measures that (Hopper and newer).
    /// </summary>
    public IdlePolicy Idle { get; init; }

    /// <summary>How long a lease must have been idle. By default 10 minutes.</summary>
    public TimeSpan IdleAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>When the queue was made. Between equals the older goes first.</summary>
    public DateTimeOffset Created { get; init; }
}

/// <summary>What happens to idle leases.</summary>
public enum IdlePolicy
{
    /// <summary>They stay.</summary>
    Keep,

    /// <summary>They can be taken back as preemptible ones can.</summary>
    Reclaimable,

    /// <summary>They end.</summary>
    Release,
}
