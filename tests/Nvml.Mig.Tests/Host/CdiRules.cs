using System.Text.Json;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Tests.Host;

/// <summary>
/// The checks of runtimes that load a CDI specification: the JSON schema, and the rules of the CDI library, which refuses unknown
/// members, empty edits, and what the stated version does not have yet.
/// </summary>
internal static partial class CdiRules
{
    public static void Check(JsonElement specification)
    {
        Members(specification, ["cdiVersion", "kind", "devices"], ["containerEdits"]);
        specification.GetProperty("cdiVersion").GetString()
            .Should().Be("0.5.0", "names may begin with a digit from 0.5.0 on, and nothing in it is younger");
        specification.GetProperty("kind").GetString()
            .Should().MatchRegex("^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?$");
        Edits(specification.GetProperty("containerEdits"));
        JsonElement[] devices = [.. specification.GetProperty("devices").EnumerateArray()];
        devices.Should().NotBeEmpty();
        devices.Select(device => device.GetProperty("name").GetString()).Should().OnlyHaveUniqueItems();
        foreach (JsonElement device in devices)
        {
            Members(device, ["name", "containerEdits"], []);
            device.GetProperty("name").GetString().Should().MatchRegex("^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$");
            Edits(device.GetProperty("containerEdits"));
        }
    }

    private static void Edits(JsonElement edits)
    {
        Members(edits, [], ["env", "deviceNodes"]);
        edits.EnumerateObject().Should().NotBeEmpty();
        foreach (JsonElement variable in Items(edits, "env"))
            variable.GetString().Should().MatchRegex("^[^=]+=");
        foreach (JsonElement node in Items(edits, "deviceNodes"))
        {
            Members(node, ["path"], []);
            node.GetProperty("path").GetString().Should().MatchRegex(DevicePath());
        }
    }

    private static JsonElement.ArrayEnumerator Items(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement items) ? items.EnumerateArray() : default;

    private static void Members(JsonElement element, string[] required, string[] optional)
    {
        string[] names = [.. element.EnumerateObject().Select(member => member.Name)];
        names.Should().OnlyHaveUniqueItems().And.BeSubsetOf([.. required, .. optional]);
        required.Should().BeSubsetOf(names);
    }

    [GeneratedRegex("^/dev/[^ ]+$", RegexOptions.None, 1000)]
    private static partial Regex DevicePath();
}
