using System.Text.RegularExpressions;
using Nvml.Mig.Configuration.Yaml;

namespace Nvml.Mig.Configuration.Formats;

/// <summary>Layout files in Kubernetes objects: as a value in the <c>data</c> of a ConfigMap.</summary>
internal static partial class ConfigMaps
{
    /// <summary>NVIDIA's GPU operator mounts the file under this key.</summary>
    private const string UsualKey = "config.yaml";

    private const string KindKey = "kind";

    /// <summary>Whether the documents are Kubernetes objects.</summary>
    public static bool AreObjects(YamlText text) => text.Documents.Any(document => IsObject(document.Root));

    /// <summary>The text of the layout file in them, and the place where it begins.</summary>
    /// <exception cref="LayoutFileException">There is none, or there are several and none is under the usual key.</exception>
    public static (string Text, FileLocation Origin) GetLayoutFile(YamlText text)
    {
        YamlNode first = text.Documents[0].Root;
        List<(string Key, YamlScalar Value)> all = [.. text.Documents.SelectMany(document => Expand(document.Root)).SelectMany(Values)];
        List<(string Key, YamlScalar Value)> files = [.. all.Where(value => LayoutsKey().IsMatch(value.Value.Text))];
        if (files.Count == 0 && all.Count == 1)
            files = all; // the message about its content helps more
        if (files.Count > 1 && files.Count(file => file.Key == UsualKey) == 1)
            files = [files.Single(file => file.Key == UsualKey)];
        return files switch
        {
            [var (key, value)] => (value.Text, value.Content ?? new FileLocation($"{value.Location.File}({key})", 1, 1)),
            [] => throw first.Error("The file has Kubernetes objects: expected a ConfigMap with a layout file in its 'data'."),
            _ => throw files[1].Value.Error(
                $"There are several layout files: {string.Join(", ", files.Select(file => $"'{file.Key}'"))}. Expected one, or one "
                    + $"'{UsualKey}'."),
        };
    }

    private static bool IsObject(YamlNode node) =>
        node is YamlMap map && map.Find(KindKey) is YamlScalar && map.Find("apiVersion") is YamlScalar;

    /// <summary>The items of a list (<c>kubectl get -o yaml</c>), or the object itself.</summary>
    private static IEnumerable<YamlNode> Expand(YamlNode node) =>
        IsObject(node) && ((YamlMap)node).Find("items") is YamlList list ? list.Items : [node];

    private static IEnumerable<(string Key, YamlScalar Value)> Values(YamlNode node) =>
        node is YamlMap map && map.Find(KindKey) is YamlScalar { Text: "ConfigMap" } && map.Find("data") is YamlMap data
            ? data.Entries.Where(entry => entry.Value is YamlScalar).Select(entry => (entry.Key.Text, (YamlScalar)entry.Value))
            : [];

    [GeneratedRegex("""(^|[\s{,])["']?(mig-configs|nvmig)["']?\s*:""", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex LayoutsKey();
}
