namespace Nvml.Mig.Configuration;

/// <summary>One entry of a layout: some GPUs, and what they shall have.</summary>
public sealed class LayoutEntry
{
    internal LayoutEntry(FileLocation? location, IReadOnlyList<GpuSelector>? gpus, IReadOnlyList<GpuSelector> deviceFilter, LayoutSpec? wish)
    {
        Location = location;
        Gpus = gpus;
        DeviceFilter = deviceFilter;
        LayoutSpec = wish;
    }

    /// <summary>Where it begins in the file; null if it came from no file.</summary>
    public FileLocation? Location { get; }

    /// <summary>The GPUs that it is for: what any of these chooses; null for all.</summary>
    public IReadOnlyList<GpuSelector>? Gpus { get; }

    /// <summary>Of these, only GPUs with one of these PCI device ids; empty: no such limit. mig-parted's <c>device-filter</c>.</summary>
    public IReadOnlyList<GpuSelector> DeviceFilter { get; }

    /// <summary>Whether MIG mode shall be enabled.</summary>
    public bool IsMigEnabled => LayoutSpec is not null;

    /// <summary>The instances, all that there shall be; null if MIG mode shall be disabled.</summary>
    public LayoutSpec? LayoutSpec { get; }

    /// <summary>The GPUs that it is for, in the order given; none if it is for kinds of GPU that are not among them.</summary>
    /// <exception cref="LayoutFileException">A GPU is named that is not there, or not one that the device filter lets through.</exception>
    internal IReadOnlyList<GpuIdentity> Choose(IReadOnlyList<GpuIdentity> gpus)
    {
        GpuIdentity[] possible = DeviceFilter.Count == 0 ? [.. gpus] : [.. gpus.Where(gpu => DeviceFilter.Any(filter => filter.Matches(gpu)))];
        // For other machines: files for many models have an entry for each.
        if (Gpus is null || possible.Length == 0)
            return possible;
        foreach (GpuSelector one in Gpus.Where(one => one.IsOne && !Array.Exists(possible, one.Matches)))
        {
            throw new LayoutFileException(Location, gpus.FirstOrDefault(one.Matches) is { } filtered
                ? $"{filtered} is named, but device-filter lets only {string.Join(", ", DeviceFilter)} through. Take one of the two out."
                : $"There is no GPU {one} here. There {NamedLayout.List(gpus)}.");
        }

        return [.. possible.Where(gpu => Gpus.Any(one => one.Matches(gpu)))];
    }

    /// <summary>Whether it names this very GPU, and not only its kind or all.</summary>
    internal bool Names(GpuIdentity gpu) => Gpus is not null && Gpus.Any(one => one.IsOne && one.Matches(gpu));
}
