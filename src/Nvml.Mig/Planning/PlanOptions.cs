namespace Nvml.Mig.Planning;

/// <summary>How a plan treats the GPU instances that are there. Instances are named by their ids.</summary>
public sealed record PlanOptions
{
    /// <summary>The instances that may be destroyed or changed although they are in use; by default none.</summary>
    public IReadOnlyCollection<int> AllowInUse { get; init; } = [];

    /// <summary>
    /// The instances that are kept as they are, with all their compute instances, whether they are in use or not: because they are leased,
    /// for instance. No plan destroys or changes them, no refusal names them as removable, and they are kept also if
    /// <see cref="AllowInUse"/> names them. A spec that asks for them to be removed is refused.
    /// </summary>
    public IReadOnlyCollection<int> Keep { get; init; } = [];

    /// <summary>
    /// Whether a change that has no room (<c>+2g.20gb</c>) may destroy idle instances beside those that it names: the fewest that make
    /// room, and of several sets the one with the least memory. Instances in use stay.
    /// </summary>
    public bool EvictIdle { get; init; }
}

/// <summary>The options in terms of a state: a bit for each instance.</summary>
internal readonly record struct Guard(uint Allowed, uint Kept)
{
    /// <summary>Nothing is allowed and nothing is kept beyond what is in use.</summary>
    public static Guard None => default;

    public static Guard From(PlanOptions? options, GpuSnapshot snapshot)
    {
        return options is null ? None : new Guard(Bits(options.AllowInUse), Bits(options.Keep));

        uint Bits(IReadOnlyCollection<int> ids)
        {
            uint bits = 0;
            foreach (int id in ids)
                bits |= 1U << snapshot.IndexOf(id);
            return bits;
        }
    }

    public bool IsKept(int index) => (Kept >> index & 1) != 0;

    /// <summary>Whether an instance must stay.</summary>
    public bool Protects(SnapshotTables state, int index) => IsKept(index) || (state.IsInUse[index] && (Allowed >> index & 1) == 0);
}
