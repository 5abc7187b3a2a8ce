using System.Collections.ObjectModel;
using System.Text;

namespace Nvml.Mig.Planning;

/// <summary>Why there is no plan, in one word.</summary>
public enum PlanRefusalReason
{
    /// <summary>There is no room, whatever is moved.</summary>
    NoRoom,

    /// <summary>There would be room if instances in use could be destroyed or moved.</summary>
    InUse,

    /// <summary>There would be room if instances that <see cref="PlanOptions.Keep"/> names could be destroyed or moved.</summary>
    Kept,
}

/// <summary>A thing of which more is wanted than there is.</summary>
public enum PlanShortageKind
{
    /// <summary>Memory slices.</summary>
    MemorySlices,

    /// <summary>Compute slices or engines.</summary>
    Resource,

    /// <summary>Instances of a profile, of which a GPU has a limited number.</summary>
    ProfileLimit,

    /// <summary>Room for compute instances inside a GPU instance.</summary>
    ComputeInstances,

    /// <summary>Places: there is enough of everything, but not in one piece where it would have to be.</summary>
    Placements,
}

/// <summary>A demand that exceeds what the GPU has.</summary>
/// <param name="Kind">The kind of thing.</param>
/// <param name="Subject">The thing: <c>decoders</c>, the name of a profile, a part of the spec.</param>
/// <param name="Wanted">How many are wanted; null if it is not a matter of number.</param>
/// <param name="Available">How many there can be; null if it is not a matter of number.</param>
/// <param name="Message">All of it as a sentence.</param>
public sealed record PlanShortage(PlanShortageKind Kind, string Subject, int? Wanted, int? Available, string Message)
{
    /// <summary>The message.</summary>
    public override string ToString() => Message;
}

/// <summary>A place that a wanted instance could have, but for instances in use.</summary>
/// <param name="Profile">The profile that is wanted.</param>
/// <param name="Placement">Where it could be placed.</param>
/// <param name="By">The instances in use that are there.</param>
public sealed record BlockedPlacement(GpuInstanceProfile Profile, Placement Placement, IReadOnlyList<GpuInstanceSnapshot> By);

/// <summary>Why there is no plan, and what would help.</summary>
public sealed class PlanRefusal
{
    private readonly Lazy<IReadOnlyList<GpuInstanceSnapshot>?> _removal;
    private readonly Lazy<IReadOnlyList<LayoutSpec>> _nearest;

    internal PlanRefusal(
        GpuSnapshot snapshot,
        LayoutSpec spec,
        PlanRefusalReason reason,
        IReadOnlyList<PlanShortage> shortages,
        IReadOnlyList<GpuInstanceSnapshot> inTheWay,
        IReadOnlyList<BlockedPlacement> blocked,
        Func<IReadOnlyList<GpuInstanceSnapshot>?> removal,
        Func<IReadOnlyList<LayoutSpec>> nearest)
    {
        Snapshot = snapshot;
        Spec = spec;
        Reason = reason;
        Shortages = shortages;
        InTheWay = inTheWay;
        Blocked = blocked;
        _removal = new Lazy<IReadOnlyList<GpuInstanceSnapshot>?>(removal);
        _nearest = new Lazy<IReadOnlyList<LayoutSpec>>(nearest);
    }

    /// <summary>The GPU as it is.</summary>
    public GpuSnapshot Snapshot { get; }

    /// <summary>The spec that there is no plan for.</summary>
    public LayoutSpec Spec { get; }

    /// <summary>Whether there is no room at all, or instances in use are in the way.</summary>
    public PlanRefusalReason Reason { get; }

    /// <summary>
    /// The things of which more is wanted than there is; at least one if there is no room, none if something in use is in the way.
    /// </summary>
    public IReadOnlyList<PlanShortage> Shortages { get; }

    /// <summary>
    /// The fewest instances in use that would have to be destroyed or changed, with the processes that use them, as far as they are known:
    /// allowed by their ids, there is a plan. Or those that are kept and in the way. None if there is no room anyway.
    /// </summary>
    public IReadOnlyList<GpuInstanceSnapshot> InTheWay { get; }

    /// <summary>The places of wanted instances that instances in use stand in.</summary>
    public IReadOnlyList<BlockedPlacement> Blocked { get; }

    /// <summary>
    /// The smallest set of GPU instances that, once removed, leaves room for the spec; of several the one with the fewest in use, then the
    /// least memory. Null if no removal helps, or if on a GPU with more than 12 instances none was found among the small sets. Found when
    /// it is first asked for.
    /// </summary>
    public IReadOnlyList<GpuInstanceSnapshot>? Removal => _removal.Value;

    /// <summary>
    /// Up to three specs that there is a plan for, the nearest first: with the fewest instances left out or exchanged for others of the
    /// same size or less, then with the most memory. Instances in use are part of them. None if nothing near fits. Found when they are
    /// first asked for.
    /// </summary>
    public IReadOnlyList<LayoutSpec> Nearest => _nearest.Value;

    /// <summary>The names of the leases for which instances are kept, by the instance's id.</summary>
    internal IReadOnlyDictionary<int, string> Leases { get; set; } = ReadOnlyDictionary<int, string>.Empty;

    /// <summary>The reasons as sentences, without <see cref="Removal"/> and <see cref="Nearest"/>.</summary>
    public string Message
    {
        get
        {
            StringBuilder text = new();
            foreach (PlanShortage shortage in Shortages)
                text.Append(text.Length > 0 ? " " : "").Append(shortage.Message);
            foreach (GpuInstanceSnapshot instance in InTheWay)
                text.Append(text.Length > 0 ? " " : "").Append(Describe(instance)).Append(" and in the way.");
            return text.ToString();
        }
    }

    /// <summary>The message.</summary>
    public override string ToString() => Message;

    private string Describe(GpuInstanceSnapshot instance)
    {
        if (Reason == PlanRefusalReason.Kept)
            return instance + (Leases.TryGetValue(instance.Id ?? -1, out string? lease) ? $" is leased ({lease})" : " is to be kept");
        GpuProcess[] users = [.. instance.Users.DistinctBy(user => user.ProcessId)];
        string by = users.Length == 0 ? "by a client that NVML does not show" : $"by {string.Join(" and ", users)}";
        return $"{instance} is in use {by}";
    }
}
