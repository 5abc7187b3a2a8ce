using System.Globalization;

namespace Nvml.Mig.Configuration;

/// <summary>A layout of a file: a label, and entries for GPUs.</summary>
public sealed class NamedLayout
{
    internal NamedLayout(FileLocation? location, LayoutFileFormat format, string label, IReadOnlyList<LayoutEntry> entries)
    {
        Location = location;
        Format = format;
        Label = label;
        Entries = entries;
    }

    /// <summary>The label.</summary>
    public string Label { get; }

    /// <summary>The entries, one at least, in the order of the file.</summary>
    public IReadOnlyList<LayoutEntry> Entries { get; }

    /// <summary>Where the label is in the file; null if it came from no file.</summary>
    public FileLocation? Location { get; }

    /// <summary>The format of the file. It decides about several entries for one GPU.</summary>
    public LayoutFileFormat Format { get; }

    /// <summary>Finds the layout of each GPU of a machine. Calls no GPU.</summary>
    /// <remarks>
    /// In a mig-parted file the last of several entries for one GPU counts, as for mig-parted; entries that contradict each other in the
    /// MIG mode are refused, as mig-parted fails at them. In our own format a GPU has one entry.
    /// </remarks>
    /// <param name="gpus">All GPUs of the machine.</param>
    /// <exception cref="LayoutFileException">
    /// An entry names a GPU that is absent, or enables MIG on one that cannot be divided; no entry is for any of the GPUs; the layout
    /// enables MIG and none of its GPUs can be divided; or entries contradict each other. In all cases but the last mig-parted does
    /// nothing and reports success.
    /// </exception>
    public ResolvedLayout Resolve(IReadOnlyList<GpuIdentity> gpus)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        Dictionary<GpuIdentity, LayoutEntry> decided = [];
        List<LayoutEntry> unused = [];
        foreach (LayoutEntry entry in Entries)
        {
            IReadOnlyList<GpuIdentity> chosen = entry.Choose(gpus);
            if (chosen.Count == 0)
                unused.Add(entry);
            foreach (GpuIdentity gpu in chosen)
            {
                if (decided.TryGetValue(gpu, out LayoutEntry? earlier))
                    CheckOverlap(gpu, earlier, entry);
                if (entry.IsMigEnabled && !gpu.IsMigCapable && entry.Names(gpu))
                    throw new LayoutFileException(entry.Location, $"MIG is to be enabled on {gpu}, which cannot be divided.");
                decided[gpu] = entry;
            }
        }

        GpuIdentity[] undecided = [.. gpus.Where(gpu => !decided.ContainsKey(gpu) && Entries.Any(entry => entry.MayBeFor(gpu, gpus)))];
        if (decided.Count == 0 && undecided.Length == 0)
            throw new LayoutFileException(Location, $"No entry of '{Label}' is for a GPU of this machine. There {List(gpus)}.");
        ResolvedGpu[] resolved = [.. gpus.Where(decided.ContainsKey).Select(gpu =>
            new ResolvedGpu(gpu, decided[gpu].Layout) { Location = decided[gpu].Location })];
        ResolvedGpu[] incapable = [.. resolved.Where(gpu => !gpu.Gpu.IsMigCapable)];
        if (incapable.Length == resolved.Length && Array.Exists(incapable, gpu => gpu.IsMigEnabled))
        {
            throw new LayoutFileException(
                Location, $"'{Label}' enables MIG, but no GPU that it is for can be divided. There {List(gpus)}.");
        }

        return new ResolvedLayout
        {
            Gpus = [.. resolved.Where(gpu => gpu.Gpu.IsMigCapable)],
            LeftOut = [.. gpus.Where(gpu => !decided.ContainsKey(gpu) && !undecided.Contains(gpu))],
            Undecided = undecided,
            NotMigCapable = incapable,
            Unused = unused,
        };
    }

    /// <summary>"is GPU 0 (NVIDIA H200, 0x233510DE)", to go after "There". GPUs of one kind are listed together.</summary>
    internal static string List(IReadOnlyList<GpuIdentity> gpus) =>
        (gpus.Count switch { 0 => "is no GPU", 1 => "is ", _ => "are " })
        + string.Join(" and ", gpus.GroupBy(gpu => (gpu.Name, gpu.PciDeviceId)).Select(kind =>
            string.Create(
                CultureInfo.InvariantCulture,
                $"GPU {string.Join(", ", kind.Select(gpu => gpu.Index))} ({kind.Key.Name}, 0x{kind.Key.PciDeviceId:X8})")));

    private void CheckOverlap(GpuIdentity gpu, LayoutEntry earlier, LayoutEntry later)
    {
        string both = $"{gpu} has an entry already{(earlier.Location is { } at ? $", at {at}" : "")}";
        if (Format == LayoutFileFormat.Nvmig)
            throw new LayoutFileException(later.Location, $"{both}. A GPU can have one entry in '{Label}'.");
        if (gpu.IsMigCapable && earlier.IsMigEnabled != later.IsMigEnabled)
        {
            throw new LayoutFileException(
                later.Location, $"{both}, and the two contradict each other in 'mig-enabled'. mig-parted would fail at this halfway.");
        }
    }
}
