using System.Globalization;
using Nvml.Mig.Planning;

namespace Nvml.Mig;

/// <summary>What an item of a wish asks for.</summary>
public enum InstanceSpecKind
{
    /// <summary>These instances, and no others than those the wish names.</summary>
    Have,

    /// <summary>These instances beside those that are there.</summary>
    Add,

    /// <summary>That these go.</summary>
    Remove,
}

/// <summary>
/// The instances that somebody wants on a GPU: a whole layout, or a change to what is there.
/// </summary>
/// <remarks>
/// <para>As text, items are separated by commas:</para>
/// <list type="table">
/// <item><term><c>3g.20gb</c></term><description>a GPU instance of that profile, by name or id (<c>9</c>), with one compute instance that takes the whole</description></item>
/// <item><term><c>1g.5gb*3</c></term><description>three of them</description></item>
/// <item><term><c>9:4</c></term><description>one that starts at memory slice 4</description></item>
/// <item><term><c>1c.3g.20gb*2</c></term><description>two compute instances with one compute slice each, in as few GPU instances 3g.20gb as hold them</description></item>
/// <item><term><c>3g.20gb:4/2c/1c:2</c></term><description>a GPU instance with these compute instances inside, with starts in its compute slices, by slices or by id (<c>/7</c>)</description></item>
/// <item><term><c>3g.20gb/none</c></term><description>a GPU instance without compute instances</description></item>
/// <item><term><c>+1g.5gb</c></term><description>that it be added; any of the above but <c>1c.3g.20gb</c></description></item>
/// <item><term><c>-1g.5gb*2</c></term><description>that two instances of the profile go, whichever is best</description></item>
/// <item><term><c>-GI7</c></term><description>that the GPU instance with the id 7 goes</description></item>
/// </list>
/// <para>A wish with <c>+</c> or <c>-</c> is a change and has no other items; any other is the whole layout: what it does not name goes.</para>
/// <para>An object can be used by any number of threads.</para>
/// </remarks>
public sealed class LayoutSpec : IEquatable<LayoutSpec>
{
    private ResolvedSpec? _resolved;

    /// <summary>Makes a wish.</summary>
    /// <param name="items">Its items; none: an empty GPU.</param>
    /// <exception cref="PlanningException">An item makes no sense, or a change is mixed with a layout.</exception>
    public LayoutSpec(params IEnumerable<InstanceSpec> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        Items = [.. items];
        foreach (InstanceSpec item in Items)
            item.Check();
        if (Items.FirstOrDefault(i => (i.Kind == InstanceSpecKind.Have) != (Items[0].Kind == InstanceSpecKind.Have)) is { } odd)
        {
            throw new PlanningException(
                PlanningError.UnreadableSpec, odd.ToString(), $"'{odd}' and '{Items[0]}' do not go together: a wish is a layout, or a change with + or - before every item.");
        }
    }

    /// <summary>The items, in the order given. It does not matter what is planned.</summary>
    public IReadOnlyList<InstanceSpec> Items { get; }

    /// <summary>Whether it changes what is there, and does not name the whole layout.</summary>
    public bool IsChange => Items.Count > 0 && Items[0].Kind != InstanceSpecKind.Have;

    /// <summary>Reads a wish from text.</summary>
    /// <param name="text">The text; empty: an empty GPU.</param>
    /// <exception cref="PlanningException">It cannot be read; the message names the item.</exception>
    public static LayoutSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return string.IsNullOrWhiteSpace(text) ? new LayoutSpec() : new LayoutSpec(text.Split(',').Select(InstanceSpec.Parse));
    }

    /// <summary>The wish for exactly what stands on a GPU, with all placements: what leads back to a state.</summary>
    /// <param name="state">The state.</param>
    public static LayoutSpec For(GpuState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        return new LayoutSpec(state.Instances.Select((instance, i) => new InstanceSpec(state.Geometry.NameOf(instance.Profile))
        {
            Start = instance.Placement.Start,
            ComputeInstances = ContentOf(state.Geometry.Compute[state.Kinds[i]], instance),
        }));
    }

    /// <summary>The text.</summary>
    public override string ToString() => string.Join(',', Items);

    /// <summary>Whether the two have the same items in the same order.</summary>
    /// <param name="other">Another wish.</param>
    public bool Equals(LayoutSpec? other) => other is not null && Items.SequenceEqual(other.Items);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LayoutSpec);

    /// <inheritdoc/>
    public override int GetHashCode() => Items.Aggregate(0, HashCode.Combine);

    /// <summary>In terms of a geometry. The last answer is remembered: most callers ask for one kind of GPU again and again.</summary>
    internal ResolvedSpec On(GpuGeometry geometry)
    {
        ResolvedSpec? known = _resolved;
        if (known is null || !ReferenceEquals(known.Geometry, geometry))
            _resolved = known = new ResolvedSpec(this, geometry);
        return known;
    }

    private static ComputeInstanceSpec[]? ContentOf(ComputeGeometry? compute, GpuInstanceState instance)
    {
        if (compute is not null && instance.ComputeInstances is [{ } only] && compute.Default >= 0 && compute.Profiles[compute.Default].Profile == only.Profile)
            return null;
        return [.. instance.ComputeInstances.OrderBy(c => c.Id ?? int.MaxValue).ThenBy(c => c.Placement.Start).Select(c => new ComputeInstanceSpec(
            compute!.Profiles[compute.IndexOf($"{c.Profile.SliceCount}c")].Profile == c.Profile
                ? string.Create(CultureInfo.InvariantCulture, $"{c.Profile.SliceCount}c")
                : c.Profile.Id.ToString(CultureInfo.InvariantCulture),
            c.Placement.Start))];
    }
}
