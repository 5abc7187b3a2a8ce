using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// The output of nvmig on a real H200 (SXM, passed through to a virtual machine, driver 580.159.04, MIG disabled, as root), and what
/// it prints on the simulated one: the same, field by field. The recordings are in Fixtures, ids made zeros.
/// </summary>
public class RecordedH200Tests
{
    /// <summary>Fields that cannot be the same, and why.</summary>
    private static readonly Dictionary<string, string> Different = new()
    {
        ["$.nvmig"] = "another build",
        ["$.error"] = "documents have it since the recording",
        ["$.time"] = "another time",
        ["$.system"] = "another machine",
        ["$.library"] = "the simulated driver's own",
        ["$.driver.library"] = "the simulated driver's own",
        ["$.driver.libraryFile"] = "the simulated driver's own",
        ["$.host"] = "the simulated machine has no host",
        ["$.gpus[0].holders"] = "the simulated machine has no host",
        ["$.gpus[0].uuid"] = "another board",
        ["$.gpus[0].serial"] = "another board",
        ["$.gpus[0].pciBusId"] = "another slot",
        ["$.gpus[0].temperatureCelsius"] = "volatile",
        ["$.gpus[0].powerWatts"] = "volatile",
        ["$.findings[0].message"] = "worded otherwise since the recording",
    };

    private static readonly string[] Newer = ["$.gpus[0].mig.", "$.sharing"];

    private static readonly string[] HostFindings = ["host-unread", "host-hidden", "holders", "holders-incomplete"];

    [Theory]
    [InlineData("devices")]
    [InlineData("profiles")]
    [InlineData("placements")]
    [InlineData("doctor")]
    public void The_simulated_h200_answers_as_the_real_one(string command)
    {
        using Nvmig nvmig = new("H200+vm");
        using JsonDocument recorded = JsonDocument.Parse(File.ReadAllText(
            Path.Combine(AppContext.BaseDirectory, "Fixtures", "H200-580.159.04", $"{command}.json")));

        Dictionary<string, string> real = Fields(recorded.RootElement);
        Dictionary<string, string> simulated = Fields(nvmig.Run(command, "--json").Json);

        real.Should().HaveCountGreaterThan(5);
        simulated.Where(field => real.ContainsKey(field.Key) || !IsNewer(field.Key)).Should().Equal(real);
    }

    /// <summary>Documents grow: the recording lacks what was added since.</summary>
    private static bool IsNewer(string path) =>
        path.EndsWith(".notice", StringComparison.Ordinal) || Newer.Any(added => path.StartsWith(added, StringComparison.Ordinal));

    /// <summary>Every value by its path, without those that cannot be the same.</summary>
    private static Dictionary<string, string> Fields(JsonElement root)
    {
        Dictionary<string, string> fields = [];
        Add("$", root);
        return fields;

        void Add(string path, JsonElement element)
        {
            if (Different.ContainsKey(path))
                return;
            switch (element.ValueKind)
            {
                case JsonValueKind.Object:
                    foreach (JsonProperty property in element.EnumerateObject())
                        Add($"{path}.{property.Name}", property.Value);
                    break;
                case JsonValueKind.Array:
                    int index = 0;
                    foreach (JsonElement item in element.EnumerateArray().Where(item => !IsAboutTheHost(item)))
                        Add($"{path}[{index++}]", item);
                    break;
                default:
                    fields.Add(path, element.GetRawText());
                    break;
            }
        }
    }

    /// <summary>A finding about the host, which the simulated machine does not have.</summary>
    private static bool IsAboutTheHost(JsonElement item) =>
        item.ValueKind == JsonValueKind.Object
        && item.TryGetProperty("code", out JsonElement code)
        && code.ValueKind == JsonValueKind.String
        && HostFindings.Contains(code.GetString());
}
