using Nvml.Mig.Configuration.Yaml;

namespace Nvml.Mig.Configuration.Formats;

/// <summary>Our own format: see <see cref="LayoutFile"/>.</summary>
internal static class NvmigFormat
{
    public const string VersionKey = "nvmig";
    private const string LayoutsKey = "layouts";
    private const string GpusKey = "gpus";
    private const string EnabledKey = "mig-enabled";
    private const string LayoutKey = "layout";
    private const string Owner = "an entry";

    public static IReadOnlyList<NamedLayout> Read(YamlMap root) =>
        Labels.Read(root, VersionKey, LayoutsKey, LayoutFileFormat.Nvmig, ReadEntry);

    public static string Write(IReadOnlyList<NamedLayout> layouts) =>
        Labels.Write(layouts, VersionKey, LayoutsKey, WriteEntry);

    private static LayoutEntry ReadEntry(YamlMap entry)
    {
        entry.CheckKeys(Owner, GpusKey, EnabledKey, LayoutKey);
        IReadOnlyList<GpuSelector>? gpus = ReadGpus(entry.Get(GpusKey, Owner, "all"));
        bool isEnabled = entry.Find(EnabledKey) is not { } enabled || Labels.ReadBoolean(enabled, EnabledKey);
        YamlNode? layout = entry.Find(LayoutKey);
        if (layout is null && isEnabled)
            throw entry.Error($"The entry has no layout: expected '{LayoutKey}: 3g.20gb,1g.5gb*3', or '{EnabledKey}: false'.");
        if (layout is not null && !isEnabled)
            throw layout.Error($"There is a '{LayoutKey}' where '{EnabledKey}' is false: there can be none without MIG.");
        return new LayoutEntry(entry.Location, gpus, [], layout is null ? null : ReadLayout(layout));
    }

    private static List<GpuSelector>? ReadGpus(YamlNode node)
    {
        if (node is YamlScalar { Text: "all" })
            return null;
        const string Expected = "expected 'all', or a list as [0, \"GPU-...\", \"0000:07:00.0\", \"0x233010DE\", H200]";
        if (node is not YamlList list)
            throw node.Error($"'{GpusKey}' is {node.Describe()}: {Expected}.");
        if (list.Items.Count == 0)
            throw node.Error($"'{GpusKey}' is an empty list, which is for no GPU: {Expected}.");
        return [.. list.Items.Select(item =>
        {
            if (item is not YamlScalar scalar || scalar.IsNull)
                throw item.Error($"A GPU is {item.Describe()}: {Expected}.");
            try
            {
                return GpuSelector.Parse(scalar.Text);
            }
            catch (FormatException e)
            {
                throw item.Error(e.Message, e);
            }
        })];
    }

    private static LayoutSpec ReadLayout(YamlNode node)
    {
        if (node is not YamlScalar scalar || scalar.IsNull)
            throw node.Error($"'{LayoutKey}' is {node.Describe()}: expected instances, as 3g.20gb:4,1g.5gb*3, or none.");
        try
        {
            LayoutSpec layout = LayoutSpec.Parse(scalar.Text);
            return !layout.IsChange
                ? layout
                : throw node.Error($"'{scalar.Text}' is a change, and a file has whole layouts: write all instances, without + and -.");
        }
        catch (PlanningException e)
        {
            throw node.Error(e.Message, e);
        }
    }

    private static void WriteEntry(YamlWriter writer, LayoutEntry entry)
    {
        writer.Plain(GpusKey);
        if (entry.Gpus is null)
            writer.Plain("all");
        else
            writer.List(entry.Gpus, gpu => WriteGpu(writer, gpu), inOneLine: true);
        if (entry.Layout is null)
        {
            writer.Plain(EnabledKey);
            writer.Plain("false");
            return;
        }

        writer.Plain(LayoutKey);
        // In quotes: YAML 1.1 reads 9:4 as a number to the base of sixty.
        writer.Quoted(entry.Layout.ToString());
    }

    private static void WriteGpu(YamlWriter writer, GpuSelector gpu)
    {
        if (gpu.Kind == GpuSelectorKind.Index)
            writer.Plain(gpu.Text);
        else
            writer.Quoted(gpu.Text);
    }
}
