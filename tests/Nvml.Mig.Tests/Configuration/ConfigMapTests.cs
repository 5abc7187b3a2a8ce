using System.Text.Json;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>A layout file in a Kubernetes ConfigMap, as the GPU operator's users keep it.</summary>
public class ConfigMapTests
{
    private const string Head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n";

    private const string File = """
        version: v1
        mig-configs:
          x:
          - devices: all
            mig-enabled: true
            mig-devices: {1g.5gb: 7}
        """;

    [Theory]
    [InlineData("|")]
    [InlineData("|-")]
    [InlineData("|+4")]
    [InlineData("&file |")]
    public void A_block_is_read(string block) => Read(Head + $"  config.yaml: {block}\n{Indent(File, 6)}\n");

    [Fact]
    public void Any_key_is_read() => Read(Head + $"  layouts: |\n{Indent(File, 4)}\n");

    [Fact]
    public void Json_is_read() =>
        Read("{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"data\": {\"config.yaml\": " + JsonSerializer.Serialize(File) + "}}");

    [Fact]
    public void A_list_of_objects_is_read() =>
        Read($"apiVersion: v1\nkind: List\nitems:\n- {Indent(Head, 2)[2..]}    config.yaml: |\n{Indent(File, 6)}\n");

    [Fact]
    public void Our_own_format_is_read() =>
        Read(Head + "  layouts.yaml: |\n    nvmig: v1\n    layouts:\n      x:\n      - {gpus: all, layout: 1g.5gb*7}\n");

    [Fact]
    public void Of_the_objects_of_a_manifest_the_config_map_is_read() =>
        Read(
            "apiVersion: apps/v1\nkind: DaemonSet\nspec: {}\n---\n"
            + Head + "  clients.yaml: |\n    version: v1\n    systemd-services: [dcgm]\n---\n"
            + Head + $"  config.yaml: |\n{Indent(File, 4)}\n");

    [Fact]
    public void Of_several_keys_the_one_with_a_layout_file_is_read() =>
        Read(Head + $"  readme: text\n  hooks.yaml: |\n    version: v1\n    hooks: {{}}\n  layouts.yaml: |\n{Indent(File, 4)}\n");

    [Fact]
    public void Of_several_layout_files_the_gpu_operators_is_read() =>
        Read(Head + $"  a.yaml: |\n    version: v1\n    mig-configs: nonsense\n  config.yaml: |\n{Indent(File, 4)}\n");

    [Theory]
    [InlineData("  a: |\n    version: v1\n    mig-configs: {}\n", "f:8:18: 'mig-configs' is an empty mapping: *")]
    [InlineData("  a: |\n\n    version: v1\n    mig-configs: {}\n", "f:9:18: *")]
    [InlineData("  a: |1\n    version: v1\n    mig-configs: {}\n", "f:8:18: *")]
    [InlineData("  a: \"version: v1\\nmig-configs: {}\"\n", "f(a):2:14: *")]
    [InlineData("  a: >\n    version: v1\n\n    mig-configs: {}\n", "f(a):2:14: *")]
    [InlineData("  a: |\n    version: v2\n    mig-configs: {}\n", "f:7:14: 'version' is the text 'v2': *")]
    [InlineData("  a: |\n    version: v1\n    systemd-services: []\n", "f:8:5: 'systemd-services' is not a key of such a file, *")]
    [InlineData("  a: text\n", "f(a):1:1: The file is the text 'text': expected *")]
    [InlineData("  a: text\n  b: text\n", "f:1:1: The file has Kubernetes objects: expected a ConfigMap with a layout file in its 'data'.")]
    [InlineData("  a: |\n    {nvmig: v1}\n  b: |\n    {nvmig: v1}\n", "f:8:6: There are several layout files: 'a', 'b'. Expected one, *")]
    [InlineData("  a: |\n    version: v1\n    mig-configs: {x: [1\n", "f:9:5: This is not YAML: *")]
    [InlineData("  a: |\n    version: v1\n    --- \n    mig-configs: {}\n", "f:8:5: The file has a second document here: *")]
    [InlineData("  \"a\\nb\": text\n", "f:6:3: A key must be a word on one line.")]
    public void Faults_have_their_place_in_the_whole_file(string data, string message) =>
        FluentActions.Invoking(() => LayoutFile.Parse(Head + data, "f")).Should().Throw<LayoutFileException>().WithMessage(message);

    [Theory]
    [InlineData("apiVersion: v1\nkind: Secret\ndata: {config.yaml: dmVyc2lvbjogdjE=}\n")]
    [InlineData("apiVersion: v1\nkind: ConfigMap\n")]
    [InlineData("apiVersion: v1\nkind: ConfigMap\nbinaryData: {config.yaml: dmVyc2lvbjogdjE=}\n")]
    [InlineData("apiVersion: v1\nkind: ConfigMap\ndata: {a: [1]}\n")]
    public void Objects_without_a_layout_file_are_refused(string text) =>
        FluentActions.Invoking(() => LayoutFile.Parse(text, "f")).Should().Throw<LayoutFileException>()
            .WithMessage("f:1:1: The file has Kubernetes objects: *");

    private static void Read(string text) =>
        Machines.Describe(LayoutFile.Parse(text, "f").GetLayout("x").Resolve(Machines.A100s(1))).Should().Equal("0: 1g.5gb*7");

    private static string Indent(string text, int columns) =>
        string.Join('\n', text.Split('\n').Select(line => line.Length == 0 ? line : new string(' ', columns) + line));
}
