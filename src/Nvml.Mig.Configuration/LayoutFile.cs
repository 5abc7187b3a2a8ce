using System.Text;
using Nvml.Mig.Configuration.Formats;
using Nvml.Mig.Configuration.Yaml;
using Nvml.Mig.Host;

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
/// It means what it means to mig-parted. Refused, with line and column, is what mig-parted refuses, and what mig-parted takes for
/// nothing or for something else without a word: a key twice, a device filter that is none, an empty list of devices, a second document.
/// Counts of 0 count as absent. The format has no placements; several compute instances of one profile share as few GPU instances as
/// hold them.
/// </para>
/// <para>
/// Either file can also be a value in the <c>data</c> of a Kubernetes ConfigMap; of several, the one under <c>config.yaml</c> is read, as
/// NVIDIA's GPU operator does.
/// </para>
/// <para>A file with <c>nvmig: v1</c> is in our own format, where layouts are <see cref="LayoutSpec"/> text:</para>
/// <code>
/// nvmig: v1
/// layouts:
///   mixed:
///   - gpus: [0, "GPU-d9e55c6e-1a0e-25e3-9654-3ffe0e3174a4"]
///     layout: 3g.40gb:4,2g.20gb:0/1c/1c,1g.10gb*2
///   - gpus: [H100 80GB HBM3, "0x233510DE", "0000:07:00.0"]
///     layout: none                # MIG enabled, no instances
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
///     Console.WriteLine($"GPU {wanted.Gpu.Index}: {wanted.Layout?.ToString() ?? "without MIG"}");
/// </code>
/// </example>
public sealed class LayoutFile
{
    /// <summary>Layout files have a hundredth of it. Kubernetes allows a ConfigMap 1 MiB.</summary>
    private const int MaxBytes = 4 << 20;

    /// <summary>Labels in a message. NVIDIA's default file has 81.</summary>
    private const int MaxListed = 100;

    private const string TooLarge = "The file has more than 4 MiB: that is no layout file.";

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
    /// <exception cref="LayoutFileException">It is not a layout file; the message says where, and what was expected.</exception>
    /// <exception cref="IOException">It is no regular file, larger than 4 MiB, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">This process may not read the file.</exception>
    public static LayoutFile Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return Parse(RegularFile.ReadAllBytes(path, MaxBytes), path);
    }

    /// <summary>Reads a file from a stream, such as standard input.</summary>
    /// <param name="stream">The stream, read to its end.</param>
    /// <param name="name">The name of the file in messages.</param>
    /// <exception cref="LayoutFileException">It is not a layout file; the message says where, and what was expected.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    public static LayoutFile Read(Stream stream, string name)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        using MemoryStream content = new();
        byte[] buffer = new byte[64 << 10];
        for (int count = stream.Read(buffer); count > 0; count = stream.Read(buffer))
        {
            content.Write(buffer, 0, count);
            if (content.Length > MaxBytes)
                throw new LayoutFileException(new FileLocation(name, 1, 1), TooLarge);
        }

        return Parse(content.ToArray(), name);
    }

    /// <summary>Reads the text of a file.</summary>
    /// <param name="text">The text.</param>
    /// <param name="name">The name of the file in messages.</param>
    /// <exception cref="LayoutFileException">It is not a layout file; the message says where, and what was expected.</exception>
    public static LayoutFile Parse(string text, string name)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        const string Expected = "expected 'version: v1' (mig-parted's format) or 'nvmig: v1' (our own)";
        FileLocation origin = new(name, 1, 1);
        if (text.Length > MaxBytes)
            throw new LayoutFileException(origin, TooLarge);
        YamlText yaml = YamlReader.Read(text, origin);
        if (ConfigMaps.AreObjects(yaml))
        {
            (text, origin) = ConfigMaps.GetLayoutFile(yaml);
            yaml = YamlReader.Read(text, origin);
        }

        if (yaml.Documents.Count > 1)
            throw new LayoutFileException(yaml.Documents[1].Start, "The file has a second document here: a layout file is one.");
        if (yaml.FirstLineBreak is { } lineBreak)
            throw new LayoutFileException(lineBreak, "There is a line break or a tab in this value: no value of a layout file has one.");
        YamlNode root = yaml.Documents[0].Root;
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

    /// <summary>Makes the file for the GPUs of a machine. It names GPUs by index; those with the same layout share an entry.</summary>
    /// <param name="label">The label of its one layout; mig-parted's own exports have <c>current</c>.</param>
    /// <param name="gpus">The GPUs, each with its layout, such as <see cref="LayoutSpec.For"/> makes of an observed one.</param>
    /// <param name="format">The format. mig-parted's has no placements: they are left out, and the driver chooses.</param>
    /// <exception cref="LayoutFileException">
    /// mig-parted's format cannot express a layout: a GPU instance without compute instances, compute instances that mig-parted could
    /// distribute otherwise over GPU instances, or a profile without a name of its form.
    /// </exception>
    /// <exception cref="ArgumentException">There are no GPUs, or a layout is a change and not a whole one.</exception>
    public static LayoutFile For(string label, IEnumerable<ResolvedGpu> gpus, LayoutFileFormat format)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(label);
        ArgumentNullException.ThrowIfNull(gpus);
        if (!label.EnumerateRunes().All(YamlReader.IsPrintable))
            throw new ArgumentException("There is a control character in the label.", nameof(label));
        List<(LayoutSpec? Layout, string Key, List<GpuSelector> Gpus)> groups = [];
        foreach (ResolvedGpu gpu in gpus)
        {
            if (gpu.Layout is { IsChange: true })
                throw new ArgumentException($"{gpu.Gpu} has a change and not a whole layout.", nameof(gpus));
            string key = Key(gpu, format);
            int same = groups.FindIndex(group => group.Key == key);
            if (same < 0)
            {
                same = groups.Count;
                groups.Add((gpu.Layout, key, []));
            }

            groups[same].Gpus.Add(GpuSelector.ByIndex(gpu.Gpu.Index));
        }

        if (groups.Count == 0)
            throw new ArgumentException("There are no GPUs to write.", nameof(gpus));
        LayoutEntry[] entries = [.. groups.Select(group => new LayoutEntry(null, group.Gpus, [], group.Layout))];
        return new LayoutFile(format, [new NamedLayout(null, format, label, entries)]);
    }

    /// <summary>The layout with a label.</summary>
    /// <param name="label">The label; null if the file has only one.</param>
    /// <exception cref="LayoutFileException">There is no such label, or the label is null and the file has several.</exception>
    public NamedLayout GetLayout(string? label = null)
    {
        if (label is null && Layouts.Count == 1)
            return Layouts[0];
        return Layouts.FirstOrDefault(layout => layout.Label == label) ?? throw new LayoutFileException(
            Location,
            (label is null ? "The file has several layouts: one must be chosen." : $"The file has no layout '{label}'.")
                + $" It has: {string.Join(", ", Layouts.Select(layout => layout.Label).Take(MaxListed))}"
                + (Layouts.Count > MaxListed ? $" and {Layouts.Count - MaxListed} more." : "."));
    }

    /// <summary>The text of the file: YAML.</summary>
    public override string ToString() => Format == LayoutFileFormat.MigParted ? MigPartedFormat.Write(Layouts) : NvmigFormat.Write(Layouts);

    private static LayoutFile Parse(byte[] bytes, string name)
    {
        try
        {
            return Parse(new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true).GetString(bytes), name);
        }
        catch (DecoderFallbackException e)
        {
            int line = 1 + bytes.AsSpan(0, Math.Clamp(e.Index, 0, bytes.Length)).Count((byte)'\n');
            throw new LayoutFileException(new FileLocation(name, line, 1), "This is not UTF-8 text.", e);
        }
    }

    /// <summary>GPUs with the same key share an entry. In mig-parted's format placements make no difference.</summary>
    private static string Key(ResolvedGpu gpu, LayoutFileFormat format)
    {
        if (gpu.Layout is null)
            return "disabled";
        if (format == LayoutFileFormat.Nvmig)
            return gpu.Layout.ToString();
        try
        {
            return string.Join(',', MigPartedDevices.For(gpu.Layout).OrderBy(d => d.Profile, StringComparer.Ordinal));
        }
        catch (FormatException e)
        {
            throw new LayoutFileException(null, $"mig-parted's format cannot express what is on {gpu.Gpu}: {e.Message}", e);
        }
    }
}
