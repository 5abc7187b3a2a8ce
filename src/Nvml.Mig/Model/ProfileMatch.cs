using System.Globalization;

namespace Nvml.Mig;

/// <summary>The one place that decides which profile a text means.</summary>
internal static class ProfileMatch
{
    /// <summary>The profiles with this id, or with this name in any form that <see cref="ProfileName"/> reads.</summary>
    public static IReadOnlyList<GpuInstanceProfile> Find(IEnumerable<GpuInstanceProfile> profiles, string nameOrId) =>
        IsId(nameOrId, out int id) ? [.. profiles.Where(p => p.Id == id)]
        : ProfileName.TryParse(nameOrId, out ProfileName name) ? name.FindIn(profiles, p => p.Name)
        : [.. profiles.Where(p => p.Name.Equals(nameOrId.Trim(), StringComparison.OrdinalIgnoreCase))]; // a form of a later driver

    /// <summary>A sentence if a name means a profile by the size that another driver writes; else null.</summary>
    public static string? Note(IEnumerable<GpuInstanceProfile> profiles, string nameOrId) =>
        ProfileName.TryParse(nameOrId, out ProfileName asked)
        && Find(profiles, nameOrId) is [{ } only]
        && ProfileName.TryParse(only.Name, out ProfileName own) && own != asked
            ? $"{asked} is {own} here: drivers round the size differently."
            : null;

    /// <summary>The profiles inside a GPU instance with these slices (<c>1c</c>), this name (<c>1c.3g.20gb</c>), or this id.</summary>
    public static IReadOnlyList<ComputeInstanceProfile> FindInside(
        GpuInstanceProfile gpuInstance, IEnumerable<ComputeInstanceProfile> profiles, string nameOrId) =>
        IsId(nameOrId, out int id) ? [.. profiles.Where(p => p.Id == id)]
        : SlicesOf(gpuInstance, nameOrId) is { } slices ? [.. profiles.Where(p => p.SliceCount == slices)]
        : [.. profiles.Where(p => p.Name.Equals(nameOrId.Trim(), StringComparison.OrdinalIgnoreCase))];

    /// <summary>The compute slices that a text means inside a GPU instance; null for a text of another kind.</summary>
    public static int? SlicesOf(GpuInstanceProfile gpuInstance, string text) =>
        SlicesOf(text.AsSpan().Trim()) is > 0 and var slices ? slices
        : ProfileName.TryParse(text, out ProfileName name) && ProfileName.TryParse(gpuInstance.Name, out ProfileName own) && name.IsIn(own)
            ? name.ComputeSliceCount
        : null;

    /// <summary>The slices of a compute instance in place of its name: 1 for <c>1c</c>, 0 for a text of another form.</summary>
    public static int SlicesOf(ReadOnlySpan<char> text) =>
        text is [.. var number, 'c' or 'C'] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int slices)
            ? slices
            : 0;

    /// <summary>
    /// The profile of the compute instance that takes all of a GPU instance, which nvidia-smi marks with a star: the one with the most
    /// slices, then the most multiprocessors, then the lowest number.
    /// </summary>
    public static ComputeInstanceProfile? Whole(IEnumerable<ComputeInstanceProfile> profiles) =>
        profiles.OrderByDescending(p => p.SliceCount).ThenByDescending(p => p.MultiprocessorCount).ThenBy(p => p.Number).FirstOrDefault();

    /// <summary>An id in place of a name: a number alone.</summary>
    public static bool IsId(string text, out int id) =>
        int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out id);
}
