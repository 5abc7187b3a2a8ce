using System.Globalization;

namespace Nvml.Mig;

/// <summary>The request of an item of a spec.</summary>
public enum InstanceSpecKind
{
    /// <summary>These instances, and no others than those the spec names.</summary>
    Have,

    /// <summary>These instances beside those that are there.</summary>
    Add,

    /// <summary>The removal of these instances.</summary>
    Remove,
}

/// <summary>
/// The instances that are requested on a GPU: a whole layout, or a change to the present one.
/// </summary>
/// <remarks>
/// <para>As text, items are separated by commas:</para>
/// <list type="table">
/// <item><term><c>3g.20gb</c></term><description>a GPU instance of that profile, by name or id (<c>9</c>), with one compute instance that
/// takes the whole</description></item>
/// <item><term><c>1g.5gb*3</c></term><description>three of them</description></item>
/// <item><term><c>9:4</c></term><description>one that starts at memory slice 4</description></item>
/// <item><term><c>1c.3g.20gb*2</c></term><description>two compute instances with one compute slice each, in as few GPU instances 3g.20gb as
/// hold them</description></item>
/// <item><term><c>3g.20gb:4/2c/1c:2</c></term><description>a GPU instance with these compute instances inside, with starts in its compute
/// slices, by slices or by id (<c>/7</c>)</description></item>
/// <item><term><c>3g.20gb/none</c></term><description>a GPU instance without compute instances</description></item>
/// <item><term><c>+1g.5gb</c></term><description>that it be added; any of the above but <c>1c.3g.20gb</c></description></item>
/// <item><term><c>-1g.5gb*2</c></term><description>that two instances of the profile go, whichever is best</description></item>
/// <item><term><c>-GI7</c></term><description>that the GPU instance with the id 7 goes</description></item>
/// <item><term><c>none</c></term><description>an empty GPU</description></item>
/// </list>
/// <para>A spec with <c>+</c> or <c>-</c> is a change and has no other items; any other is the whole layout: what it does not name
/// goes.</para>
/// <para>An object can be used by any number of threads.</para>
/// </remarks>
public sealed class LayoutSpec : IEquatable<LayoutSpec>
{
    /// <summary>
    /// Of more instances none is worth a thought: the planner divides GPUs of 32 units, with up to 32 compute instances in each.
    /// </summary>
    private const int MaxInstances = 1024;

    private const string None = "none";

    /// <summary>Makes a spec.</summary>
    /// <param name="items">Its items; none: an empty GPU.</param>
    /// <exception cref="PlanningException">An item makes no sense, or a change is mixed with a layout.</exception>
    public LayoutSpec(params IEnumerable<InstanceSpec> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        Items = [.. items];
        long instances = 0;
        foreach (InstanceSpec item in Items)
        {
            item.Check();
            instances += item.Count;
        }

        if (instances > MaxInstances)
            throw TooMany($"{instances} instances");
        if (Items.FirstOrDefault(i => (i.Kind == InstanceSpecKind.Have) != (Items[0].Kind == InstanceSpecKind.Have)) is { } odd)
        {
            throw new PlanningException(
                PlanningError.UnreadableSpec,
                odd.ToString(),
                $"'{odd}' and '{Items[0]}' do not go together: a spec is a layout, or a change with + or - before every item.");
        }
    }

    /// <summary>The items, in the order given. It does not matter what is planned.</summary>
    public IReadOnlyList<InstanceSpec> Items { get; }

    /// <summary>Whether it changes what is there, and does not name the whole layout.</summary>
    public bool IsChange => Items.Count > 0 && Items[0].Kind != InstanceSpecKind.Have;

    /// <summary>Reads a spec from text.</summary>
    /// <param name="text">The text; <c>none</c>: an empty GPU. A blank text is refused: it would empty the GPU by an oversight.</param>
    /// <exception cref="PlanningException">It cannot be read; the message names the item.</exception>
    public static LayoutSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (string.IsNullOrWhiteSpace(text))
            throw new PlanningException(
                PlanningError.UnreadableSpec, text, "No instances are named. Write 'none' for a GPU without instances.");
        if (text.AsSpan().Trim().Equals(None, StringComparison.OrdinalIgnoreCase))
            return new LayoutSpec();
        // Counted first: who writes more than any machine could hold need not wait until all of it is read.
        int items = text.AsSpan().Count(',') + 1;
        return items <= MaxInstances ? new LayoutSpec(text.Split(',').Select(InstanceSpec.Parse)) : throw TooMany($"{items} instances");
    }

    /// <summary>The spec of exactly the instances that a GPU has, with all placements.</summary>
    /// <param name="snapshot">The GPU.</param>
    public static LayoutSpec For(GpuSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new LayoutSpec(snapshot.Instances.Select(instance => new InstanceSpec(snapshot.Geometry.NameOf(instance.Profile))
        {
            Start = instance.Placement.Start,
            ComputeInstances = ContentOf(instance, snapshot.Geometry),
        }));
    }

    /// <summary>
    /// The names in it by which the driver of a GPU does not call the profile that they mean, each as a sentence: 7g.79gb for 7g.80gb, see
    /// <see cref="ProfileName.FindIn"/>.
    /// </summary>
    /// <param name="geometry">The profiles of the GPU.</param>
    public IReadOnlyList<string> GetNotes(GpuGeometry geometry)
    {
        ArgumentNullException.ThrowIfNull(geometry);
        GpuInstanceProfile[] profiles = [.. geometry.Profiles.Select(profile => profile.Profile)];
        return [.. Items.Select(item => ProfileMatch.Note(profiles, item.Profile)).OfType<string>().Distinct(StringComparer.Ordinal)];
    }

    /// <summary>The text.</summary>
    public override string ToString() => Items.Count == 0 ? None : string.Join(',', Items);

    /// <summary>Whether the two have the same items in the same order.</summary>
    /// <param name="other">Another spec.</param>
    public bool Equals(LayoutSpec? other) => other is not null && Items.SequenceEqual(other.Items);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LayoutSpec);

    /// <inheritdoc/>
    public override int GetHashCode() => Items.Aggregate(0, HashCode.Combine);

    private static PlanningException TooMany(string what) =>
        new(PlanningError.InvalidCount, what, $"The spec asks for {what}: no GPU holds more than {MaxInstances} instances.");

    /// <summary>The compute instances of an instance, as a spec has them; null for the compute instance that takes the whole.</summary>
    private static ComputeInstanceSpec[]? ContentOf(GpuInstanceSnapshot instance, GpuGeometry geometry)
    {
        IReadOnlyList<ComputeInstanceProfile> known =
            [.. geometry.Profiles.FirstOrDefault(p => p.Profile == instance.Profile)?.ComputeProfiles?.Select(c => c.Profile) ?? []];
        if (instance.ComputeInstances is [{ } only])
        {
            bool isWhole = only.Profile is { } profile && known.Count > 0
                ? ProfileMatch.Whole(known) == profile
                : only.SliceCount == instance.Profile.SliceCount;
            if (isWhole)
                return null;
        }

        return [.. instance.ComputeInstances
            .OrderBy(c => c.Id ?? int.MaxValue)
            .ThenBy(c => c.Placement?.Start)
            .Select(c => new ComputeInstanceSpec(NameOf(c), c.Placement?.Start))];

        string NameOf(ComputeInstanceSnapshot inside) =>
            inside.Profile is { } profile && known.Where(p => p.SliceCount == profile.SliceCount)
                .MinBy(p => p.Number) is { } plain && plain != profile
                ? profile.Id.ToString(CultureInfo.InvariantCulture)
                : string.Create(CultureInfo.InvariantCulture, $"{inside.SliceCount}c");
    }
}
