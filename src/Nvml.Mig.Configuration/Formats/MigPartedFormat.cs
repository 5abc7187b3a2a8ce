using System.Globalization;
using Nvml.Mig.Configuration.Yaml;

namespace Nvml.Mig.Configuration.Formats;

/// <summary>
/// mig-parted's format v1, after its api/spec/v1 and its commands (v0.15). Where a fault makes mig-parted do nothing without a word, such
/// as a filter that is none, it is an error here.
/// </summary>
internal static class MigPartedFormat
{
    public const string VersionKey = "version";
    private const string LayoutsKey = "mig-configs";
    private const string FilterKey = "device-filter";
    private const string DevicesKey = "devices";
    private const string EnabledKey = "mig-enabled";
    private const string InstancesKey = "mig-devices";
    private const string Owner = "an entry of mig-parted's format";

    public static IReadOnlyList<NamedLayout> Read(YamlMap root) =>
        Labels.Read(root, VersionKey, LayoutsKey, LayoutFileFormat.MigParted, ReadEntry);

    public static string Write(IReadOnlyList<NamedLayout> layouts) =>
        Labels.Write(layouts, VersionKey, LayoutsKey, WriteEntry);

    private static LayoutEntry ReadEntry(YamlMap entry)
    {
        entry.CheckKeys(Owner, DevicesKey, FilterKey, EnabledKey, InstancesKey);
        IReadOnlyList<GpuSelector>? devices = ReadDevices(entry.Get(DevicesKey, Owner, "all"));
        IReadOnlyList<GpuSelector> filter = entry.Find(FilterKey) is { } there ? ReadFilter(there) : [];
        bool isEnabled = Labels.ReadBoolean(entry.Get(EnabledKey, Owner, "true"), EnabledKey);
        YamlNode? instances = entry.Find(InstancesKey);
        if (instances is YamlScalar { IsNull: true } && !isEnabled)
            instances = null;
        LayoutSpec? layout = instances is null ? null : ReadInstances(instances);
        if (isEnabled)
            return new LayoutEntry(entry.Location, devices, filter, layout ?? throw Missing(entry));
        return layout is null or { Items.Count: 0 }
            ? new LayoutEntry(entry.Location, devices, filter, null)
            : throw instances!.Error($"There are '{InstancesKey}' where '{EnabledKey}' is false: there can be none without MIG.");
    }

    private static LayoutFileException Missing(YamlMap entry) =>
        entry.Error($"'{InstancesKey}' is missing: where '{EnabledKey}' is true there must be some, or '{InstancesKey}: {{}}' for none.");

    private static List<GpuSelector>? ReadDevices(YamlNode node)
    {
        if (node is YamlScalar { Text: "all" })
            return null;
        const string Expected = "expected 'all', or a list of GPU indices as [0, 1]";
        if (node is not YamlList list)
            throw node.Error($"'{DevicesKey}' is {node.Describe()}: {Expected}.");
        if (list.Items.Count == 0)
            throw node.Error($"'{DevicesKey}' is an empty list, which is for no GPU: {Expected}.");
        return [.. list.Items.Select(item =>
        {
            int index = Labels.ReadInteger(item, "A device", "its index, as 0");
            return index >= 0
                ? GpuSelector.ByIndex(index)
                : throw item.Error(string.Create(CultureInfo.InvariantCulture, $"There is no GPU {index}: indices begin at 0."));
        })];
    }

    /// <summary>An empty filter lets everything through, as with mig-parted.</summary>
    private static IReadOnlyList<GpuSelector> ReadFilter(YamlNode node)
    {
        if (node is YamlScalar { IsNull: true } or YamlScalar { IsPlain: false, Text: "" })
            return [];
        return node is YamlList list ? [.. list.Items.Select(ReadDeviceId)] : [ReadDeviceId(node)];
    }

    private static GpuSelector ReadDeviceId(YamlNode node)
    {
        if (node is not YamlScalar scalar || scalar.IsNull || scalar.Boolean is not null)
        {
            throw node.Error(
                $"'{FilterKey}' is {node.Describe()}: expected a PCI device id in quotes, as \"0x233010DE\", or a list of them.");
        }

        try
        {
            GpuSelector read = GpuSelector.ParsePciDevice(scalar.Text);
            return !scalar.IsNumber || scalar.Text.Contains(':', StringComparison.Ordinal)
                ? read
                : throw node.Error(
                    $"The PCI device id {scalar.Text} must be in quotes, or mig-parted takes it for a number: \"{scalar.Text}\".");
        }
        catch (FormatException e)
        {
            throw node.Error(e.Message + " mig-parted finds no GPU for it, and says nothing.", e);
        }
    }

    private static LayoutSpec ReadInstances(YamlNode node)
    {
        if (node is not YamlMap map)
        {
            throw node.Error(
                $"'{InstancesKey}' is {node.Describe()}: expected profiles with their numbers, as '1g.5gb: 7', or {{}} for none.");
        }

        List<InstanceSpec> items = [];
        foreach ((YamlScalar key, YamlNode value) in map.Entries)
        {
            int count = Labels.ReadInteger(value, $"The number of '{key.Text}'", "how many, as 7");
            if (count < 0)
                throw value.Error(string.Create(CultureInfo.InvariantCulture, $"There cannot be {count} of '{key.Text}'."));
            try
            {
                // A key with the number 0 must be a profile, too.
                InstanceSpec item = MigPartedDevices.ToItem(key.Text, Math.Max(count, 1));
                _ = new LayoutSpec(item);
                if (count > 0)
                    items.Add(item);
            }
            catch (FormatException e)
            {
                throw key.Error(e.Message, e);
            }
            catch (PlanningException e)
            {
                throw value.Error(e.Message, e);
            }
        }

        if (items.Count == 0 && map.Entries.Count > 0)
            throw node.Error($"All numbers in '{InstancesKey}' are 0: for no instances write '{InstancesKey}: {{}}'.");
        try
        {
            return new LayoutSpec(items);
        }
        catch (PlanningException e)
        {
            throw node.Error(e.Message, e);
        }
    }

    private static void WriteEntry(YamlWriter writer, LayoutEntry entry)
    {
        if (entry.DeviceFilter.Count == 1)
        {
            writer.Plain(FilterKey);
            writer.Quoted(entry.DeviceFilter[0].Text);
        }
        else if (entry.DeviceFilter.Count > 1)
        {
            writer.Plain(FilterKey);
            writer.List(entry.DeviceFilter, filter => writer.Quoted(filter.Text), inOneLine: true);
        }

        writer.Plain(DevicesKey);
        if (entry.Gpus is null)
            writer.Plain("all");
        else
            writer.List(entry.Gpus, gpu => writer.Plain(gpu.Text), inOneLine: true);
        writer.Plain(EnabledKey);
        writer.Plain(entry.IsMigEnabled ? "true" : "false");
        writer.Plain(InstancesKey);
        writer.Map(() =>
        {
            foreach ((string profile, int count) in entry.Layout is null ? [] : MigPartedDevices.For(entry.Layout))
            {
                writer.Plain(profile);
                writer.Plain(count.ToString(CultureInfo.InvariantCulture));
            }
        });
    }
}
