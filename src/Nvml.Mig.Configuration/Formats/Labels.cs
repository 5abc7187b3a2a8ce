using System.Globalization;
using Nvml.Mig.Configuration.Yaml;

namespace Nvml.Mig.Configuration.Formats;

/// <summary>The common part of the formats: a version, and lists of entries under labels.</summary>
internal static class Labels
{
    private const string Version = "v1";

    public static IReadOnlyList<NamedLayout> Read(
        YamlMap root, string versionKey, string layoutsKey, LayoutFileFormat format, Func<YamlMap, LayoutEntry> readEntry)
    {
        YamlNode version = root.Find(versionKey)!;
        if (version is not YamlScalar { Text: Version })
            throw version.Error($"'{versionKey}' is {version.Describe()}: the only one known is {Version}.");
        root.CheckKeys("such a file", versionKey, layoutsKey);
        YamlNode layouts = root.Get(layoutsKey, "a layout file", "{label: [...]}");
        if (layouts is not YamlMap { Entries.Count: > 0 } labels)
            throw layouts.Error($"'{layoutsKey}' is {layouts.Describe()}: expected labels, each with a list of entries.");
        return [.. labels.Entries.Select(label =>
            new NamedLayout(label.Key.Location, format, label.Key.Text, ReadEntries(label.Key, label.Value, readEntry)))];
    }

    public static string Write(
        IReadOnlyList<NamedLayout> layouts, string versionKey, string layoutsKey, Action<YamlWriter, LayoutEntry> writeEntry) =>
        YamlWriter.Write(writer =>
        {
            writer.Plain(versionKey);
            writer.Plain(Version);
            writer.Plain(layoutsKey);
            writer.Map(() =>
            {
                foreach (NamedLayout layout in layouts)
                {
                    writer.Text(layout.Label);
                    writer.List(layout.Entries, entry => writer.Map(() => writeEntry(writer, entry)));
                }
            });
        });

    public static bool ReadBoolean(YamlNode node, string key) =>
        (node as YamlScalar)?.Boolean ?? throw node.Error($"'{key}' is {node.Describe()}: expected true or false.");

    /// <summary>A whole number. One with a leading zero is refused: YAML 1.1 reads it as octal.</summary>
    public static int ReadInteger(YamlNode node, string what, string expected) =>
        node is YamlScalar { IsPlain: true } scalar
        && int.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
        && (scalar.Text is "0" || !scalar.Text.TrimStart('+', '-').StartsWith('0'))
            ? number
            : throw node.Error($"{what} is {node.Describe()}: expected {expected}.");

    private static LayoutEntry[] ReadEntries(YamlScalar label, YamlNode node, Func<YamlMap, LayoutEntry> readEntry)
    {
        if (node is not YamlList { Items.Count: > 0 } list)
            throw node.Error($"'{label.Text}' is {node.Describe()}: expected a list of entries, one at least.");
        return [.. list.Items.Select(item =>
            item is YamlMap entry
                ? readEntry(entry)
                : throw item.Error($"An entry of '{label.Text}' is {item.Describe()}: expected a mapping."))];
    }
}
