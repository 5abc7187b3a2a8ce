namespace Nvml.Mig.Planning;

/// <summary>
/// How to get from the state of a GPU to a spec. Of all ways it is the best one, in this order:
/// </summary>
/// <remarks>
/// <list type="number">
/// <item>The fewest instances in use are destroyed, and of these only those that were allowed by name.</item>
/// <item>The fewest instances are destroyed. GPU instances and compute instances count alike: a GPU instance with its compute instance are
/// two. An instance that has to move is destroyed too.</item>
/// <item>The most <see cref="Room"/> is left.</item>
/// <item>Read from the left, each instance starts as low as it can; of several that could start there one that stays, else a smaller
/// one.</item>
/// </list>
/// <para>So the same state and the same spec always give the same plan, whatever the order in which the spec names its items.</para>
/// </remarks>
public sealed class GpuPlan
{
    internal GpuPlan(
        GpuSnapshot before, LayoutStep[] steps, GpuInstanceSnapshot[] kept, GpuInstanceSnapshot[] destroyed, int destroyedInUse, long room)
    {
        Before = before;
        Steps = steps;
        Kept = kept;
        Destroyed = destroyed;
        DestroyedInUseCount = destroyedInUse;
        Room = room;
    }

    /// <summary>The GPU before the first step.</summary>
    public GpuSnapshot Before { get; }

    /// <summary>
    /// The steps, in an order that always works: first everything that is destroyed, compute instances before their GPU instance; then each
    /// GPU instance at its placement, and its compute instances. After each step, the instances that exist can exist together.
    /// </summary>
    public IReadOnlyList<LayoutStep> Steps { get; }

    /// <summary>The GPU instances that stay, with their ids, by start. Steps can change the compute instances in them.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Kept { get; }

    /// <summary>The GPU instances that are destroyed, by start.</summary>
    public IReadOnlyList<GpuInstanceSnapshot> Destroyed { get; }

    /// <summary>Instances that are destroyed, GPU instances and compute instances.</summary>
    public int DestroyedCount => Steps.Count(s => s.IsDestroy);

    /// <summary>How many of them are in use. A GPU instance counts as used if anything in it is.</summary>
    public int DestroyedInUseCount { get; }

    /// <summary>
    /// The room left afterwards: for each place that is free for an instance of a profile of which the GPU allows one more, the square of
    /// its size (in units: the largest number of memory slices that divides all starts and sizes). Every place counts, as NVIDIA's driver
    /// counts when it chooses places itself, so that most choices stay open. The square makes room for one large instance worth more than
    /// room for two of half its size: a hole can be divided later, two holes can be joined only by destroying what is between.
    /// </summary>
    public long Room { get; }

    /// <summary>Whether there is nothing to do: the GPU is as the spec asks.</summary>
    public bool IsEmpty => Steps.Count == 0;

    /// <summary>
    /// Whether all of it is known to be possible. It is not where compute instances other than the one that takes the whole are to be
    /// created in GPU instances of a profile that NVML has not shown the inside of yet (<see cref="ProfileGeometry.ComputeProfiles"/> is
    /// null): then it is only known that there are enough compute slices.
    /// </summary>
    public bool IsVerified => !Steps.Any(s => s is { Kind: LayoutStepKind.CreateComputeInstance, ComputeInstance.Profile: null }
        && s.ComputeInstance.SliceCount != s.GpuInstance!.Profile.SliceCount);

    /// <summary>Why a step is part of the plan: <c>its place is wanted for 3g.20gb at 0:4</c>.</summary>
    /// <param name="step">A step of this plan.</param>
    public string GetReason(LayoutStep step)
    {
        ArgumentNullException.ThrowIfNull(step);
        if (step.GpuInstance is not { } about)
            return "asked for";
        if (step.IsCreate)
        {
            GpuInstanceSnapshot? moved = Destroyed.FirstOrDefault(i => i.Profile == about.Profile && SuccessorOf(i) == about.Placement);
            return moved is null ? "wanted"
                : moved.Placement == about.Placement ? $"{moved} is created again"
                : $"takes the place of {moved}";
        }

        GpuInstanceSnapshot? destroyed = Destroyed.FirstOrDefault(i => i.Placement == about.Placement);
        if (destroyed is null)
            return "other compute instances are wanted in this GPU instance";
        GpuInstanceSnapshot[] instead = [.. Created.Where(i => i.Placement.Overlaps(destroyed.Placement))];
        string room = instead.Length == 0
            ? ""
            : $"its place is wanted for {string.Join(" and ", instead.Select(i => $"{i.Profile} at {i.Placement}"))}";
        return SuccessorOf(destroyed) is { } to
            ? $"moves to {to}{(room.Length > 0 ? ": " + room : "")}"
            : room.Length > 0 ? room : "not wanted";
    }

    /// <summary>The GPU after all steps. Instances that they create have no ids yet.</summary>
    public GpuSnapshot GetResult() => Steps.Aggregate(Before, (snapshot, step) => step.ApplyTo(snapshot));

    private IEnumerable<GpuInstanceSnapshot> Created =>
        Steps.Where(s => s.Kind == LayoutStepKind.CreateGpuInstance).Select(s => s.GpuInstance!);

    /// <summary>Of instances of one profile, the first that is created takes the place of the first that is destroyed, and so on.</summary>
    private Placement? SuccessorOf(GpuInstanceSnapshot destroyed)
    {
        int nth = Destroyed.Where(i => i.Profile == destroyed.Profile).TakeWhile(i => i != destroyed).Count();
        return Created.Where(i => i.Profile == destroyed.Profile).Skip(nth).FirstOrDefault()?.Placement;
    }
}
