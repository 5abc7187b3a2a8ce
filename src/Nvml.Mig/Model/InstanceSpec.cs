using System.Globalization;
using System.Text;

namespace Nvml.Mig;

/// <summary>A compute instance that is wanted inside a GPU instance.</summary>
/// <param name="Profile">
/// Its compute slices (<c>1c</c>; if several profiles have that many, the plain one, with NVML's lowest number), its name, or its id.
/// </param>
/// <param name="Start">The compute slice of the GPU instance that it starts at; null: any.</param>
public sealed record ComputeInstanceSpec(string Profile, int? Start = null)
{
    /// <summary>The text: <c>1c</c>, <c>1c:2</c>.</summary>
    public override string ToString() => Start is { } start ? string.Create(CultureInfo.InvariantCulture, $"{Profile}:{start}") : Profile;
}

/// <summary>
/// One item of a <see cref="LayoutSpec"/>: GPU instances of one profile, or compute instances that share GPU instances of it.
/// </summary>
/// <param name="Profile">
/// The name or id of the GPU instance profile; empty if a GPU instance is named by <see cref="GpuInstanceId"/>.
/// </param>
public sealed record InstanceSpec(string Profile)
{
    private const int MaxCount = 1024;

    /// <summary>Whether it is part of a layout, to be added, or to be removed.</summary>
    public InstanceSpecKind Kind { get; init; }

    /// <summary>How many.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The memory slice that it starts at; null: any.</summary>
    public int? Start { get; init; }

    /// <summary>The compute instances inside: null for one that takes the whole, empty for none.</summary>
    public IReadOnlyList<ComputeInstanceSpec>? ComputeInstances { get; init; }

    /// <summary>
    /// The "1c" of 1c.3g.20gb: not GPU instances are wanted, but this many compute instances, in as few GPU instances of the profile as
    /// hold them.
    /// </summary>
    public string? Shared { get; init; }

    /// <summary>The GPU instance to remove; null: any of the profile.</summary>
    public int? GpuInstanceId { get; init; }

    /// <summary>Reads an item from text: see <see cref="LayoutSpec"/>.</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="PlanningException">It cannot be read.</exception>
    public static InstanceSpec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string item = text.Trim();
        string rest = item;
        InstanceSpecKind kind = InstanceSpecKind.Have;
        if (rest is ['+' or '-', ..])
        {
            kind = rest[0] == '+' ? InstanceSpecKind.Add : InstanceSpecKind.Remove;
            rest = rest[1..].TrimStart();
        }

        if (kind == InstanceSpecKind.Remove && rest.StartsWith("GI", StringComparison.OrdinalIgnoreCase))
            return new InstanceSpec("") { Kind = kind, GpuInstanceId = ParseNumber(rest[2..], item) };

        string[] parts = rest.Split('/');
        InstanceSpec read = ParseGpuInstances(parts[0], item) with { Kind = kind };
        if (parts.Length > 1)
            read = read with { ComputeInstances = ParseComputeInstances(parts.AsSpan(1), item) };
        read.Check();
        return read;
    }

    /// <summary>The text.</summary>
    public override string ToString()
    {
        StringBuilder text = new(Kind switch { InstanceSpecKind.Add => "+", InstanceSpecKind.Remove => "-", _ => "" });
        if (GpuInstanceId is { } id)
            return text.Append(CultureInfo.InvariantCulture, $"GI{id}").ToString();
        if (Shared is not null)
            text.Append(Shared).Append('.');
        text.Append(Profile);
        if (Start is { } start)
            text.Append(CultureInfo.InvariantCulture, $":{start}");
        if (Count != 1)
            text.Append(CultureInfo.InvariantCulture, $"*{Count}");
        if (ComputeInstances is { Count: 0 })
            text.Append("/none");
        foreach (ComputeInstanceSpec inside in ComputeInstances ?? [])
            text.Append('/').Append(inside);
        return text.ToString();
    }

    /// <summary>By what they hold, lists included.</summary>
    public bool Equals(InstanceSpec? other) =>
        other is not null
        && (
            Profile, Kind, Count, Start, Shared,
            GpuInstanceId) == (other.Profile, other.Kind, other.Count, other.Start, other.Shared, other.GpuInstanceId)
        && (ComputeInstances is null) == (other.ComputeInstances is null)
        && (ComputeInstances is null || ComputeInstances.SequenceEqual(other.ComputeInstances!));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Profile, Kind, Count, Start, Shared, GpuInstanceId, ComputeInstances?.Count);

    internal void Check()
    {
        if (Count is < 1 or > MaxCount)
            throw new PlanningException(
                PlanningError.InvalidCount, ToString(), $"'{this}' asks for {Count} instances: it must be 1 to {MaxCount}.");
        if (ComputeInstances?.Count > MaxCount)
            throw TooManyInside(ToString());
        if (Start < 0 || (ComputeInstances ?? []).Any(c => c.Start < 0))
            throw new PlanningException(PlanningError.InvalidPlacement, ToString(), $"'{this}' starts before the first slice.");
        if (Start is not null && Count > 1)
            throw new PlanningException(PlanningError.Overlap, ToString(), $"'{this}' asks for {Count} instances in one place.");
        if (Shared is not null && (Start is not null || ComputeInstances is not null))
        {
            throw new PlanningException(
                PlanningError.UnreadableSpec,
                ToString(),
                $"'{this}' wants compute instances in any GPU instance. For a place or for more inside write the GPU instance, as in "
                    + "3g.20gb:4/1c/1c.");
        }

        if (Shared is not null && Kind != InstanceSpecKind.Have)
        {
            throw new PlanningException(
                PlanningError.UnreadableSpec,
                ToString(),
                $"'{this}' changes compute instances in any GPU instance: write the GPU instance with what is to be inside, as in "
                    + "+3g.20gb/1c/1c.");
        }

        if (Kind == InstanceSpecKind.Remove && (Start is not null || ComputeInstances is not null))
            throw new PlanningException(
                PlanningError.UnreadableSpec, ToString(), $"'{this}' removes by place or content: name the GPU instance, as in -GI7.");
        if (GpuInstanceId is null ? string.IsNullOrWhiteSpace(Profile) : Kind != InstanceSpecKind.Remove || GpuInstanceId < 0 || Count != 1)
            throw Unreadable(ToString());
    }

    private static InstanceSpec ParseGpuInstances(string text, string item)
    {
        string rest = text.Trim();
        int count = 1;
        int? start = null;
        if (rest.Split('*') is [string before, string number])
        {
            rest = before.TrimEnd();
            count = ParseCount(number, item);
        }

        if (rest.Split(':') is [string profile, string place])
        {
            rest = profile.TrimEnd();
            start = ParseNumber(place, item);
        }

        if (rest.Length == 0 || rest.AsSpan().ContainsAny('*', ':'))
            throw Unreadable(item);

        int dot = rest.IndexOf('.', StringComparison.Ordinal);
        return dot > 0 && ProfileMatch.SlicesOf(rest.AsSpan(0, dot)) > 0
            ? new InstanceSpec(rest[(dot + 1)..]) { Count = count, Start = start, Shared = rest[..dot] }
            : new InstanceSpec(rest) { Count = count, Start = start };
    }

    private static ComputeInstanceSpec[] ParseComputeInstances(ReadOnlySpan<string> parts, string item)
    {
        if (parts is [{ } only] && only.Trim().Equals("none", StringComparison.OrdinalIgnoreCase))
            return [];
        if (parts.Length > MaxCount)
            throw TooManyInside(item);
        List<ComputeInstanceSpec> inside = [];
        foreach (string part in parts)
        {
            InstanceSpec read = ParseGpuInstances(part, item);
            string profile = read.Shared is null ? read.Profile : $"{read.Shared}.{read.Profile}";
            if (read.Start is not null && read.Count > 1)
                throw new PlanningException(PlanningError.Overlap, item, $"'{item}' asks for {read.Count} compute instances in one place.");
            if (inside.Count + read.Count > MaxCount)
                throw TooManyInside(item);
            inside.AddRange(Enumerable.Repeat(new ComputeInstanceSpec(profile, read.Start), read.Count));
        }

        return [.. inside];
    }

    private static int ParseCount(string text, string item) =>
        int.TryParse(text.Trim(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int count)
            ? count is >= 1 and <= MaxCount
                ? count
                : throw new PlanningException(
                    PlanningError.InvalidCount, item, $"'{item}' asks for {count} instances: it must be 1 to {MaxCount}.")
            : throw Unreadable(item);

    private static int ParseNumber(string text, string item) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : throw Unreadable(item);

    private static PlanningException TooManyInside(string item)
    {
        string start = item.Length <= 40 ? item : item[..40] + "...";
        return new(PlanningError.InvalidCount, start, $"'{start}' asks for more than {MaxCount} compute instances in a GPU instance.");
    }

    private static PlanningException Unreadable(string item) =>
        new(
            PlanningError.UnreadableSpec,
            item,
            $"'{item}' is not an instance: write PROFILE, PROFILE:START or PROFILE*COUNT, with a profile's name or id, as in "
                + "3g.20gb,1g.5gb*3 or 9,19:0.");
}
