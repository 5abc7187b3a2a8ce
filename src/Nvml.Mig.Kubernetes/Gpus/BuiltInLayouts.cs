using Nvml.Mig.Configuration;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>
/// The layouts that there are without a file, under the names that they have in mig-parted's: <c>all-disabled</c>, <c>all-enabled</c>,
/// <c>all-balanced</c>, and each profile as often as it fits.
/// </summary>
internal static class BuiltInLayouts
{
    private const string Disabled = "all-disabled";
    private const string Enabled = "all-enabled";
    private const string Balanced = "all-balanced";

    /// <summary>The layout of a name on a GPU.</summary>
    /// <param name="name">The name.</param>
    /// <param name="geometry">The GPU's profiles.</param>
    /// <param name="layout">The layout; null: MIG is disabled.</param>
    /// <returns>Whether there is one of this name on such a GPU.</returns>
    public static bool TryFind(string name, GpuGeometry geometry, out LayoutSpec? layout)
    {
        layout = name switch
        {
            Enabled => new LayoutSpec(),
            Balanced => Balance(geometry),
            _ => geometry.Profiles.FirstOrDefault(p => NameOf(p.Profile) == name) is { } profile
                ? LayoutSpec.Parse($"{profile.Profile.Name}*{profile.Profile.MaxInstances}")
                : null,
        };
        return layout is not null || name == Disabled;
    }

    /// <summary>There is no such name on any GPU.</summary>
    public static LayoutFileException Unknown(string name, IEnumerable<GpuGeometry> geometries) =>
        new(null, $"There is no layout '{name}' for the GPUs of this machine. There are: {string.Join(", ", Names(geometries))}.");

    private static IEnumerable<string> Names(IEnumerable<GpuGeometry> geometries) =>
    [
        Disabled, Enabled, Balanced,
        .. geometries.SelectMany(g => g.Profiles).Select(p => NameOf(p.Profile)).Distinct(StringComparer.Ordinal),
    ];

    /// <summary>A label has no <c>+</c>: 1g.10gb+me is all-1g.10gb.me, as in mig-parted's file.</summary>
    private static string NameOf(GpuInstanceProfile profile) => $"all-{profile.Name.Replace('+', '.')}";

    /// <summary>Two of one slice, one of two, and where there is room one of three: as mig-parted's file has it for each model.</summary>
    private static LayoutSpec? Balance(GpuGeometry geometry)
    {
        GpuInstanceProfile? one = Smallest(1), two = Smallest(2), three = Smallest(3);
        return one is null || two is null ? null
            : LayoutSpec.Parse($"{(three is null ? "" : $"{three.Name},")}{two.Name},{one.Name}*2");

        // Profiles with more than memory and slices have a suffix.
        GpuInstanceProfile? Smallest(int slices) => geometry.Profiles.Select(p => p.Profile)
            .Where(p => p.SliceCount == slices && p.Name.IndexOfAny(['+', '-']) < 0)
            .MinBy(p => p.MemoryMiB);
    }
}
