using System.Globalization;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Configuration.Formats;

/// <summary>The <c>mig-devices</c> of mig-parted: how many MIG devices of which profile.</summary>
internal static partial class MigPartedDevices
{
    /// <summary>The item of a layout for one key of <c>mig-devices</c>.</summary>
    /// <exception cref="FormatException">mig-parted refuses the key, or no GPU can have such a profile.</exception>
    public static InstanceSpec ToItem(string key, int count)
    {
        // The grammar of go-nvlib, which mig-parted uses: lower case, no space, attributes after one sign and with commas between.
        if (Profile().Match(key) is not { Success: true } match)
            throw new FormatException($"'{key}' is not a profile: expected one as 3g.20gb, 1g.5gb+me, 1g.24gb+gfx,me or 1c.3g.20gb.");
        string sign = match.Groups["sign"].Value;
        string attributes = match.Groups["attributes"].Value.Replace(",", sign, StringComparison.Ordinal);
        ProfileName name = ProfileName.Parse(match.Groups["size"].Value + sign + attributes);
        return name.IsPart
            ? new InstanceSpec(name.GpuInstance.ToString()) { Shared = Part(name.ComputeSliceCount), Count = count }
            : new InstanceSpec(name.ToString()) { Count = count };
    }

    /// <summary>The devices of a layout, without its placements.</summary>
    /// <exception cref="FormatException">The format cannot express the layout, or mig-parted could make another one of it.</exception>
    public static IReadOnlyList<(string Profile, int Count)> For(LayoutSpec layout)
    {
        List<(string Profile, int Count)> devices = [];
        List<(ProfileName Profile, int[] Slices)> divided = [];
        foreach (InstanceSpec item in layout.Items)
        {
            ProfileName profile = ReadProfile(item.Profile);
            if (item.Shared is not null)
            {
                Add(ToKey(profile, ReadSlices(item.Shared, item, profile)), item.Count);
                continue;
            }

            int[] slices = item.ComputeInstances is null
                ? [profile.GpuSliceCount]
                : [.. item.ComputeInstances.Select(inside => ReadSlices(inside.Profile, item, profile)).OrderDescending()];
            if (slices.Length == 0)
                throw new FormatException($"'{item}' has no compute instance, and mig-parted creates no GPU instance without one.");
            foreach (int size in slices)
                Add(ToKey(profile, size), item.Count);
            if (slices[0] != profile.GpuSliceCount)
                divided.AddRange(Enumerable.Repeat((profile, slices), item.Count));
        }

        foreach (IGrouping<ProfileName, int[]> same in divided.GroupBy(d => d.Profile, d => d.Slices))
        {
            bool hasMore = layout.Items.Any(item => item.Shared is not null && ReadProfile(item.Profile) == same.Key);
            CheckDistribution(same.Key, [.. same], hasMore);
        }

        return devices;

        void Add(string key, int count)
        {
            int at = devices.FindIndex(device => device.Profile == key);
            if (at < 0)
                devices.Add((key, count));
            else
                devices[at] = (key, devices[at].Count + count);
        }
    }

    /// <summary>
    /// mig-parted creates compute instances large ones first, each in the GPU instance it created last if there is room, else in a new
    /// one (pkg/mig/config). It tries other orders only where the GPU has no room for the first, and the GPU's room is not known here: so
    /// a layout with another distribution is refused.
    /// </summary>
    private static void CheckDistribution(ProfileName profile, int[][] wanted, bool hasMore)
    {
        List<string> first = [];
        List<int> current = [];
        foreach (int size in wanted.SelectMany(slices => slices).OrderDescending())
        {
            if (current.Count > 0 && current.Sum() + size > profile.GpuSliceCount)
            {
                first.Add(Content(current));
                current = [];
            }

            current.Add(size);
        }

        first.Add(Content(current));
        string[] contents = [.. wanted.Select(Content)];
        if (hasMore || !first.Order(StringComparer.Ordinal).SequenceEqual(contents.Order(StringComparer.Ordinal), StringComparer.Ordinal))
        {
            throw new FormatException(
                $"the GPU instances {profile} have {string.Join(" and ", contents)} inside, "
                + $"and for as many compute instances mig-parted first tries {string.Join(" and ", first)}.");
        }
    }

    private static string Content(IEnumerable<int> slices) => string.Join('/', slices.Select(Part));

    private static string Part(int slices) => string.Create(CultureInfo.InvariantCulture, $"{slices}c");

    private static ProfileName ReadProfile(string text) =>
        ProfileName.TryParse(text, out ProfileName name) && !name.IsPart
            ? name
            : throw new FormatException($"'{text}' is not a name as 3g.20gb, and mig-parted knows profiles by name only.");

    /// <summary>The compute slices of "1c", "1c.3g.20gb", or "3g.20gb".</summary>
    private static int ReadSlices(string text, InstanceSpec item, ProfileName profile)
    {
        if (PlainPart().Match(text) is { Success: true } plain
            && int.TryParse(plain.Groups["slices"].Value, CultureInfo.InvariantCulture, out int slices)
            && slices <= profile.GpuSliceCount)
        {
            return slices;
        }

        return ProfileName.TryParse(text, out ProfileName name) && name.IsIn(profile)
            ? name.ComputeSliceCount
            : throw new FormatException(
                $"the compute instance '{text}' of '{item}' is not named by its slices, as 1c, and mig-parted knows no other.");
    }

    private static string ToKey(ProfileName profile, int slices)
    {
        // go-nvlib computes the size from the memory, and finds 40 and 80 also where the driver writes 39 and 79.
        int memory = profile.MemoryGB is 39 or 79 ? profile.MemoryGB + 1 : profile.MemoryGB;
        string size = string.Create(CultureInfo.InvariantCulture, $"{profile.GpuSliceCount}g.{memory}gb");
        string part = slices == profile.GpuSliceCount ? "" : Part(slices) + ".";
        if (profile.Attributes.Count == 0)
            return part + size;
        char sign = profile.Attributes[0][0];
        return profile.Attributes.All(attribute => attribute[0] == sign)
            ? $"{part}{size}{sign}{string.Join(',', profile.Attributes.Select(attribute => attribute[1..]))}"
            : throw new FormatException($"{profile} has attributes with + and with -, and mig-parted reads only those of one sign.");
    }

    [GeneratedRegex(
        @"^(?<size>([0-9]+c\.)?[0-9]+g\.[0-9]+gb)"
            + @"((?<sign>[+-])(?<attributes>[A-Za-z][A-Za-z0-9.]*(?<!\.)(,[A-Za-z][A-Za-z0-9.]*(?<!\.))*))?\z",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Profile();

    [GeneratedRegex(@"^(?<slices>[0-9]+)c\z", RegexOptions.IgnoreCase | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex PlainPart();
}
