namespace Nvml.Mig.Configuration;

/// <summary>One entry of a layout: some GPUs, and their layout.</summary>
public sealed class LayoutEntry
{
    internal LayoutEntry(
        FileLocation? location, IReadOnlyList<GpuSelector>? gpus, IReadOnlyList<GpuSelector> deviceFilter, LayoutSpec? layout)
    {
        Location = location;
        Gpus = gpus;
        DeviceFilter = deviceFilter;
        Layout = layout;
    }

    /// <summary>Where the entry begins in the file; null if it comes from no file.</summary>
    public FileLocation? Location { get; }

    /// <summary>The GPUs that the entry is for, those that any of the selectors matches; null for all.</summary>
    public IReadOnlyList<GpuSelector>? Gpus { get; }

    /// <summary>Of these, only GPUs with one of these PCI device ids; empty: no such limit. mig-parted's <c>device-filter</c>.</summary>
    public IReadOnlyList<GpuSelector> DeviceFilter { get; }

    /// <summary>Whether the entry enables MIG mode.</summary>
    public bool IsMigEnabled => Layout is not null;

    /// <summary>All instances of each of its GPUs; null if it disables MIG mode.</summary>
    public LayoutSpec? Layout { get; }

    /// <summary>The GPUs that the entry is for, in the order given; none if it is for kinds of GPU that are not among them.</summary>
    /// <exception cref="LayoutFileException">The entry names a GPU that is absent, or that the device filter excludes.</exception>
    internal IReadOnlyList<GpuIdentity> Choose(IReadOnlyList<GpuIdentity> gpus)
    {
        GpuIdentity[] possible = DeviceFilter.Count == 0
            ? [.. gpus]
            : [.. gpus.Where(gpu => DeviceFilter.Any(filter => filter.Matches(gpu)))];
        // None: an entry for another machine. Files for many models have an entry for each.
        if (Gpus is null || possible.Length == 0)
            return possible;
        foreach (GpuSelector one in Gpus.Where(one => one.IsOne && !Array.Exists(possible, one.Matches)))
        {
            if (gpus.Any(gpu => MayMean(one, gpu, gpus)))
                continue;
            throw new LayoutFileException(Location, gpus.FirstOrDefault(one.Matches) is { } filtered
                ? $"{filtered} is named, but device-filter lets only {string.Join(", ", DeviceFilter)} through. Take one of the two out."
                : $"There is no GPU {one} here. There {NamedLayout.List(gpus)}.");
        }

        return [.. possible.Where(gpu => Gpus.Any(one => one.Matches(gpu)))];
    }

    /// <summary>Whether the entry may be for a GPU that does not answer, so that its UUID or its kind is not known.</summary>
    internal bool MayBeFor(GpuIdentity gpu, IReadOnlyList<GpuIdentity> gpus) =>
        !gpu.IsReadable && (Gpus is null || Gpus.Any(one => MayMean(one, gpu, gpus)));

    /// <summary>Whether the entry names this very GPU, and not only its kind or all.</summary>
    internal bool Names(GpuIdentity gpu) => Gpus is not null && Gpus.Any(one => one.IsOne && one.Matches(gpu));

    private static bool MayMean(GpuSelector selector, GpuIdentity gpu, IReadOnlyList<GpuIdentity> gpus) => !gpu.IsReadable
        && (selector.Kind == GpuSelectorKind.Index ? selector.Matches(gpu) : !selector.IsOne || !gpus.Any(selector.Matches));
}
