using System.Text;
using Nvml.Mig.Configuration.Formats;
using Nvml.Mig.Configuration.Yaml;

namespace Nvml.Mig.Configuration;

/// <summary>A file of layouts under labels, in mig-parted's format v1 or in our own.</summary>
/// <remarks>
/// <para>Both formats are YAML, of which JSON is a part. A file with <c>version: v1</c> is mig-parted's:</para>
/// <code>
/// version: v1
/// mig-configs:
///   balanced:
///   - devices: all                # or a list of indices
///     device-filter: "0x233010DE" # a PCI device id, or a list of them; optional
///     mig-enabled: true
///     mig-devices:
///       3g.40gb: 1
///       1c.2g.20gb: 2
///       1g.10gb+me: 1
/// </code>
/// <para>
/// It means what it means to mig-parted. Refused, with line and column, is what mig-parted refuses, and what it silently takes for
/// nothing or for something else: keys that stand twice, device filters that are none, empty lists of devices, a second document.
/// Counts of 0 count as absent. Where instances go, such a file cannot say; several compute instances of one profile share as few GPU
/// instances as hold them.
/// </para>
/// <para>A file with <c>nvmig: v1</c> is in our own format, where layouts are <see cref="Planning.Wish"/> text:</para>
/// <code>
/// nvmig: v1
/// layouts:
///   mixed:
///   - gpus: [0, "GPU-d9e55c6e-1a0e-25e3-9654-3ffe0e3174a4"]
///     layout: 3g.40gb:4,2g.20gb:0/1c/1c,1g.10gb*2
///   - gpus: [H100 80GB HBM3, "0x233510DE", "0000:07:00.0"]
///     layout: ""                  # MIG enabled, no instances
///   - gpus: [3]
///     mig-enabled: false
/// </code>
/// <para>
/// <c>gpus</c> is <c>all</c> or a list of <see cref="GpuSelector"/>s. An entry has a <c>layout</c>, which enables MIG, or
/// <c>mig-enabled: false</c>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// NamedLayout layout = LayoutFile.Read("/etc/nvidia-mig-manager/config.yaml").GetLayout("all-balanced");
/// foreach (ResolvedGpu wanted in layout.Resolve([.. session.Devices.Select(GpuIdentity.From)]).Gpus)
///     Console.WriteLine($"GPU {wanted.Gpu.Index}: {wanted.Wish?.ToString() ?? "without MIG"}");
/// </code>
/// </example>
public sealed class LayoutFile
{
    internal LayoutFile(LayoutFileFormat format, IReadOnlyList<NamedLayout> layouts, FileLocation? location = null)
    {
        Format = format;
        Layouts = layouts;
        Location = location;
    }

    /// <summary>The format.</summary>
    public LayoutFileFormat Format { get; }

    /// <summary>The layouts, one at least, in the order of the file.</summary>
    public IReadOnlyList<NamedLayout> Layouts { get; }

    private FileLocation? Location { get; }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="LayoutFileException">It makes no sense; the message says where, and what was expected.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    public static LayoutFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        byte[] bytes = File.ReadAllBytes(path);
        try
        {
            return Parse(new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes), path);
        }
        catch (DecoderFallbackException e)
        {
            int line = 1 + bytes.AsSpan(0, Math.Clamp(e.Index, 0, bytes.Length)).Count((byte)'\n');
            throw new LayoutFileException(new FileLocation(path, line, 1), "This is not UTF-8 text.", e);
        }
    }

    /// <summary>Reads the text of a file.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">What messages call the file.</param>
    /// <exception cref="LayoutFileException">It makes no sense; the message says where, and what was expected.</exception>
    public static LayoutFile Parse(string text, string name)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        const string Expected = "expected 'version: v1' (mig-parted's format) or 'nvmig: v1' (our own)";
        YamlNode root = YamlReader.Read(text, name);
        if (root is not YamlMap map)
            throw new LayoutFileException(root.Location, $"The file is {root.Describe()}: {Expected}.");
        return (map.Find(MigPartedFormat.VersionKey), map.Find(NvmigFormat.VersionKey)) switch
        {
            (not null, null) => new LayoutFile(LayoutFileFormat.MigParted, MigPartedFormat.Read(map), root.Location),
            (null, not null) => new LayoutFile(LayoutFileFormat.Nvmig, NvmigFormat.Read(map), root.Location),
            (null, null) => throw new LayoutFileException(root.Location, $"The file does not say what format it is in: {Expected}."),
            _ => throw new LayoutFileException(root.Location, $"The file says that it is in two formats: {Expected}."),
        };
    }

    /// <summary>
    /// The file for what stands on the GPUs of a machine. GPUs are named by index; those with the same layout share an entry.
    /// </summary>
    /// <param name="label">The label of the one layout in it; mig-parted's own exports have <c>current</c>.</param>
    /// <param name="gpus">The GPUs: <see cref="Planning.Wish.For"/> gives the wish for what stands on one, placements included.</param>
    /// <param name="format">
    /// The format. mig-parted's has no placements: they are left out, and mig-parted lets the driver choose. What else it cannot say is
    /// refused.
    /// </param>
    /// <exception cref="LayoutFileException">
    /// mig-parted's format cannot express it: a GPU instance without compute instances, compute instances that mig-parted would put into
    /// GPU instances in another way if the GPU has room for that, or a profile without a name of its form.
    /// </exception>
    /// <exception cref="ArgumentException">There are no GPUs, or one is inconsistent.</exception>
    public static LayoutFile For(string label, IEnumerable<ResolvedGpu> gpus, LayoutFileFormat format)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(label);
        ArgumentNullException.ThrowIfNull(gpus);
        List<(Planning.Wish? Wish, string Key, List<GpuSelector> Gpus)> groups = [];
        foreach (ResolvedGpu gpu in gpus)
        {
            if (gpu.IsMigEnabled != gpu.Wish is not null || gpu.Wish is { IsChange: true })
                throw new ArgumentException($"{gpu.Gpu} must have a whole layout with MIG enabled, and none with MIG disabled.", nameof(gpus));
            string key = Key(gpu, format);
            int same = groups.FindIndex(group => group.Key == key);
            if (same < 0)
            {
                same = groups.Count;
                groups.Add((gpu.Wish, key, []));
            }

            groups[same].Gpus.Add(GpuSelector.ByIndex(gpu.Gpu.Index));
        }

        if (groups.Count == 0)
            throw new ArgumentException("There are no GPUs to write.", nameof(gpus));
        return new LayoutFile(format, [new NamedLayout(null, format, label, [.. groups.Select(group => new LayoutEntry(null, group.Gpus, [], group.Wish))])]);
    }

    /// <summary>The layout with a label.</summary>
    /// <param name="label">The label; null if the file has only one.</param>
    /// <exception cref="LayoutFileException">There is no such label, or none was given and the file has several.</exception>
    public NamedLayout GetLayout(string? label = null)
    {
        if (label is null && Layouts.Count == 1)
            return Layouts[0];
        return Layouts.FirstOrDefault(layout => layout.Label == label) ?? throw new LayoutFileException(
            Location,
            (label is null ? "The file has several layouts: one must be chosen." : $"The file has no layout '{label}'.")
                + $" It has: {string.Join(", ", Layouts.Select(layout => layout.Label))}.");
    }

    /// <summary>The text of the file: YAML.</summary>
    public override string ToString() => Format == LayoutFileFormat.MigParted ? MigPartedFormat.Write(Layouts) : NvmigFormat.Write(Layouts);

    /// <summary>What makes GPUs share an entry. In mig-parted's format that is the numbers of devices, wherever they stand.</summary>
    private static string Key(ResolvedGpu gpu, LayoutFileFormat format)
    {
        if (gpu.Wish is null)
            return "disabled";
        if (format == LayoutFileFormat.Nvmig)
            return gpu.Wish.ToString();
        try
        {
            return string.Join(',', MigPartedDevices.For(gpu.Wish).OrderBy(d => d.Profile, StringComparer.Ordinal));
        }
        catch (FormatException e)
        {
            throw new LayoutFileException(null, $"mig-parted's format cannot express what is on {gpu.Gpu}: {e.Message}", e);
        }
    }
}
