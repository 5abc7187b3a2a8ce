using System.Globalization;

namespace Nvml.Mig.Planning;

/// <summary>The one place that decides which profile a text means.</summary>
internal static class ProfileMatch
{
    /// <summary>The profiles with this id, or else with this name however it is written: see <see cref="ProfileName"/>.</summary>
    public static IReadOnlyList<GpuInstanceProfile> Find(IEnumerable<GpuInstanceProfile> profiles, string nameOrId) =>
        IsId(nameOrId, out int id) ? [.. profiles.Where(p => p.Id == id)]
        : ProfileName.TryParse(nameOrId, out ProfileName name) ? name.FindIn(profiles, p => p.Name)
        : [.. profiles.Where(p => p.Name.Equals(nameOrId.Trim(), StringComparison.OrdinalIgnoreCase))]; // of a form yet unknown

    /// <summary>
    /// The profiles that are meant inside a GPU instance: by slices (<c>1c</c>), by name (<c>1c.3g.20gb</c>), or by id.
    /// </summary>
    public static IReadOnlyList<ComputeInstanceProfile> FindInside(GpuInstanceProfile gpuInstance, IEnumerable<ComputeInstanceProfile> profiles, string text) =>
        IsId(text, out int id) ? [.. profiles.Where(p => p.Id == id)]
        : SlicesOf(gpuInstance, text) is { } slices ? [.. profiles.Where(p => p.SliceCount == slices)]
        : [.. profiles.Where(p => p.Name.Equals(text.Trim(), StringComparison.OrdinalIgnoreCase))];

    /// <summary>The compute slices that a text means inside a GPU instance; null if it means something else.</summary>
    public static int? SlicesOf(GpuInstanceProfile gpuInstance, string text) =>
        ComputeWish.SlicesOf(text.AsSpan().Trim()) is > 0 and var slices ? slices
        : ProfileName.TryParse(text, out ProfileName name) && ProfileName.TryParse(gpuInstance.Name, out ProfileName own) && name.IsIn(own)
            ? name.ComputeSliceCount
        : null;

    private static bool IsId(string text, out int id) => int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out id);
}
