using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>Nonsense, and files that would do nothing, are refused with the place and what was expected.</summary>
public class LayoutFileErrorTests
{
    private const string Head = "version: v1\nmig-configs:\n  x:\n";
    private const string OwnHead = "nvmig: v1\nlayouts:\n  x:\n";

    [Theory]
    // The file as a whole.
    [InlineData("", "f:1:1: The file is empty: expected 'version: v1' (mig-parted's format) or 'nvmig: v1' (our own).")]
    [InlineData("# nothing\n", "f:2:1: The file is empty: *")]
    [InlineData("- a", "f:1:1: The file is a list: expected 'version: v1'*")]
    [InlineData("mig-configs: {}", "f:1:1: The file does not say what format it is in: *")]
    [InlineData("{version: v1, nvmig: v1}", "f:1:1: The file says that it is in two formats: *")]
    [InlineData("version: v2\nmig-configs: {}", "f:1:10: 'version' is the text 'v2': the only one known is v1.")]
    [InlineData("version: 1", "f:1:10: 'version' is the number 1: the only one known is v1.")]
    [InlineData("nvmig: [v1]", "f:1:8: 'nvmig' is a list: the only one known is v1.")]
    [InlineData("version: v1", "f:1:1: 'mig-configs' is missing: *")]
    [InlineData("version: v1\nmig-config:\n  x: []", "f:2:1: 'mig-config' is not a key of such a file, which has version, mig-configs.")]
    [InlineData("version: v1\nlayouts: {}", "f:2:1: 'layouts' is not a key of such a file, which has version, mig-configs.")]
    [InlineData("version: v1\nmig-configs: {}", "f:2:14: 'mig-configs' is an empty mapping: expected labels, each with a list of entries.")]
    [InlineData("version: v1\nmig-configs:\n", "f:2:*: 'mig-configs' is empty: expected labels, *")]
    [InlineData("version: v1\nmig-configs:\n  x: []", "f:3:6: 'x' is an empty list: expected a list of entries, one at least.")]
    [InlineData("version: v1\nmig-configs:\n  x: {devices: all}", "f:3:6: 'x' is a mapping: expected a list of entries, one at least.")]
    [InlineData("version: v1\nmig-configs:\n  x: [all]", "f:3:7: An entry of 'x' is the text 'all': expected a mapping.")]
    [InlineData(
        "version: v1\nmig-configs:\n  x: [{devices: all, mig-enabled: no}]\n  x: []",
        "f:4:3: 'x' is here twice: it is at f:3:3 already.")]
    [InlineData(
        "version: v1\nmig-configs: {x: [{devices: all, mig-enabled: no}]}\n---\nversion: v1",
        "f:3:1: The file has a second document here: *")]
    // Not YAML, or more of it than a layout file needs.
    [InlineData("version: v1\nmig-configs:\n  x: [1\n  y: 2", "f:3:*: After this, the text is not YAML: *")]
    [InlineData("version: v1\nmig-configs: a: b", "f:2:*: This is not YAML: *")]
    [InlineData("version: \"v1", "f:1:*: This is not YAML: *")]
    [InlineData("version: !!str v1", "f:1:10: A tag is not for layout files: write the plain value.")]
    [InlineData("version: *none", "f:1:10: There is no anchor for this alias before it.")]
    [InlineData("version: &v [*v]", "f:1:14: There is no anchor for this alias before it.")]
    [InlineData("version: v1\n<<: all", "f:2:5: '<<' merges mappings, and this is the text 'all'.")]
    [InlineData("[a]: b", "f:1:1: A key must be a word on one line.")]
    [InlineData("version: v1\nmig-configs:\n\tx: []", "f:3:1: This is not YAML: * tab *")]
    [InlineData("version: v1\nmig-configs:\n  x:\n\t- devices: all", "f:4:1: This is not YAML: * tab *")]
    [InlineData("version: v1\n\tmig-configs:\n  x: []", "f:2:1: This is not YAML: * tab *")]
    [InlineData("version: v1\nmig-configs:\n  x:\n  - devices: all\n  \tmig-enabled: true", "f:5:1: This is not YAML: * tab *")]
    [InlineData(
        "version: v1\nmig-configs:\n  x:\n  - devices: all\n    mig-enabled: true\n    mig-devices:\n    \t1g.5gb: 1",
        "f:7:1: This is not YAML: * tab *")]
    [InlineData("version: v1\nmig-configs:\n  x:\n  - devices: all\n\tmig-enabled: true", "f:5:1: This is not YAML: * tab *")]
    [InlineData("version: v1\n#\u0000", "f:2:2: There is a control character here, U+0000: a layout file is text.")]
    [InlineData("version: v1\r\n  \u001b[0m", "f:2:3: There is a control character here, U+001B: *")]
    [InlineData("version: \"v1\u007f\"", "f:1:13: There is a control character here, U+007F: *")]
    [InlineData("# \ufffe", "f:1:3: There is a control character here, U+FFFE: *")]
    public void A_file(string text, string message) => Refused(text, message);

    [Theory]
    [InlineData("  - mig-enabled: false", "f:4:5: 'devices' is missing: an entry of mig-parted's format has it, as in 'devices: all'.")]
    [InlineData("  - devices: all", "f:4:5: 'mig-enabled' is missing: an entry of mig-parted's format has it, as in 'mig-enabled: true'.")]
    [InlineData(
        "  - devices: all\n    mig-enabled: true",
        "f:4:5: 'mig-devices' is missing: where 'mig-enabled' is true there must be some, or 'mig-devices: {}' for none.")]
    [InlineData(
        "  - devices: all\n    mig-enable: true",
        "f:5:5: 'mig-enable' is not a key of an entry of mig-parted's format, which has devices, device-filter, mig-enabled, "
            + "mig-devices.")]
    [InlineData("  - devices: all\n    layout: 7g.40gb", "f:5:5: 'layout' is not a key of an entry of mig-parted's format*")]
    [InlineData("  - devices: all\n    mig-enabled: false\n    devices: [0]", "f:6:5: 'devices' is here twice: it is at f:4:5 already.")]
    [InlineData(
        "  - devices: some\n    mig-enabled: false",
        "f:4:14: 'devices' is the text 'some': expected 'all', or a list of GPU indices as [0, 1].")]
    [InlineData("  - devices: 0\n    mig-enabled: false", "f:4:14: 'devices' is the number 0: expected 'all', or *")]
    [InlineData("  - devices: []\n    mig-enabled: false", "f:4:14: 'devices' is an empty list, which is for no GPU: expected *")]
    [InlineData("  - devices: {}\n    mig-enabled: false", "f:4:14: 'devices' is an empty mapping: expected *")]
    [InlineData("  - devices:\n    mig-enabled: false", "f:*: 'devices' is empty: expected *")]
    [InlineData("  - devices: [0, \"1\"]\n    mig-enabled: false", "f:4:18: A device is the text '1': expected its index, as 0.")]
    [InlineData("  - devices: [010]\n    mig-enabled: false", "f:4:15: A device is the number 010: expected its index, as 0.")]
    [InlineData("  - devices: [-1]\n    mig-enabled: false", "f:4:15: There is no GPU -1: indices begin at 0.")]
    [InlineData("  - devices: all\n    mig-enabled: \"true\"", "f:5:18: 'mig-enabled' is the text 'true': expected true or false.")]
    [InlineData("  - devices: all\n    mig-enabled:", "f:5:*: 'mig-enabled' is empty: expected true or false.")]
    [InlineData("  - devices: all\n    mig-enabled: 1", "f:5:18: 'mig-enabled' is the number 1: expected true or false.")]
    public void An_entry_of_mig_parted(string entry, string message) => Refused(Head + entry, message);

    [Theory]
    [InlineData("A100-SXM4-40GB", "f:6:20: 'A100-SXM4-40GB' is not a PCI device id: *mig-parted finds no GPU for it, and says nothing.")]
    [InlineData("\"20B010DE\"", "f:6:20: '20B010DE' is not a PCI device id: *")]
    [InlineData("\"0x20B0\"", "f:6:20: '0x20B0' is not the id of an NVIDIA device: its last 4 digits must be 10DE*")]
    [InlineData("\"0x120B010DE\"", "f:6:20: '0x120B010DE' is not a PCI device id: *")]
    [InlineData("\"548409567\"", "f:6:20: '548409567' is not the id of an NVIDIA device: *")]
    [InlineData("\"0x20B010DE:\"", "f:6:20: '0x20B010DE:' is not a PCI device id: *")]
    [InlineData("\"0x20B010DE:1:2\"", "f:6:20: '0x20B010DE:1:2' is not a PCI device id: *")]
    [InlineData("548409566", "f:6:20: The PCI device id 548409566 must be in quotes, or mig-parted takes it for a number: \"548409566\".")]
    [InlineData("\"0x10DE20B0\"", "f:6:20: '0x10DE20B0' is not the id of an NVIDIA device: its last 4 digits must be 10DE*")]
    [InlineData(
        "0x20B010DE",
        "f:6:20: The PCI device id 0x20B010DE must be in quotes, or mig-parted takes it for a number: \"0x20B010DE\".")]
    [InlineData("[\"0x20B010DE\", {}]", "f:6:35: 'device-filter' is an empty mapping: expected a PCI device id in quotes, *")]
    [InlineData("true", "f:6:20: 'device-filter' is true: expected a PCI device id in quotes, *")]
    public void A_device_filter_that_is_none(string filter, string message) =>
        Refused(Head + $"  - devices: all\n    mig-enabled: false\n    device-filter: {filter}", message);

    [Theory]
    [InlineData("{1g.5gb: }", "f:6:*: The number of '1g.5gb' is empty: expected how many, as 7.")]
    [InlineData("{1g.5gb: \"7\"}", "f:6:27: The number of '1g.5gb' is the text '7': expected how many, as 7.")]
    [InlineData("{1g.5gb: 7.5}", "f:6:27: The number of '1g.5gb' is the number 7.5: expected how many, as 7.")]
    [InlineData("{1g.5gb: 99999999999}", "f:6:27: The number of '1g.5gb' is the number 99999999999: expected how many, as 7.")]
    [InlineData("{1g.5gb: -1}", "f:6:27: There cannot be -1 of '1g.5gb'.")]
    [InlineData("{1g.5gb: 5000}", "f:6:27: *asks for 5000 instances: it must be 1 to 1024.")]
    [InlineData("{1g.5gb: 0, 2g.10gb: 0}", "f:6:18: All numbers in 'mig-devices' are 0: for no instances write 'mig-devices: {}'.")]
    [InlineData("{1g.5gb: 1, 1g.5gb: 2}", "f:6:30: '1g.5gb' is here twice: it is at f:6:19 already.")]
    [InlineData("{small: 1}", "f:6:19: 'small' is not a profile: expected one as 3g.20gb, 1g.5gb+me, 1g.24gb+gfx,me or 1c.3g.20gb.")]
    [InlineData("{small: 0, 1g.5gb: 1}", "f:6:19: 'small' is not a profile: *")]
    [InlineData("{1G.5GB: 1}", "f:6:19: '1G.5GB' is not a profile: *")]
    [InlineData("{\"1g.5gb \": 1}", "f:6:19: '1g.5gb ' is not a profile: *")]
    [InlineData("{\"1g.5gb+me+gfx\": 1}", "f:6:19: '1g.5gb+me+gfx' is not a profile: *")]
    [InlineData("{\"1g.5gb+me-gfx\": 1}", "f:6:19: '1g.5gb+me-gfx' is not a profile: *")]
    [InlineData("{\"1g.5gb+\": 1}", "f:6:19: '1g.5gb+' is not a profile: *")]
    [InlineData("{\"1g.5gb+me.\": 1}", "f:6:19: '1g.5gb+me.' is not a profile: *")]
    [InlineData("{\"1g.5gb+me,me\": 1}", "f:6:19: *an attribute stands in it twice*")]
    [InlineData("{4c.3g.20gb: 1}", "f:6:19: *more slices than its GPU instance*")]
    [InlineData("[1g.5gb]", "f:6:18: 'mig-devices' is a list: expected profiles with their numbers, as '1g.5gb: 7', or {} for none.")]
    [InlineData("", "f:6:*: 'mig-devices' is empty: expected profiles with their numbers, *")]
    public void Devices_that_are_none(string devices, string message) =>
        Refused(Head + $"  - devices: all\n    mig-enabled: true\n    mig-devices: {devices}", message);

    [Fact]
    public void Devices_without_mig() =>
        Refused(
            Head + "  - devices: all\n    mig-enabled: false\n    mig-devices: {1g.5gb: 1}",
            "f:6:18: There are 'mig-devices' where 'mig-enabled' is false: there can be none without MIG.");

    [Theory]
    [InlineData("  - layout: 7g.40gb", "f:4:5: 'gpus' is missing: an entry has it, as in 'gpus: all'.")]
    [InlineData("  - gpus: all", "f:4:5: The entry has no layout: expected 'layout: 3g.20gb,1g.5gb*3', or 'mig-enabled: false'.")]
    [InlineData("  - gpus: all\n    mig-enabled: true", "f:4:5: The entry has no layout: *")]
    [InlineData(
        "  - gpus: all\n    mig-enabled: false\n    layout: 7g.40gb",
        "f:6:13: There is a 'layout' where 'mig-enabled' is false: *")]
    [InlineData("  - gpus: all\n    devices: all", "f:5:5: 'devices' is not a key of an entry, which has gpus, mig-enabled, layout.")]
    [InlineData("  - gpus: 0\n    layout: 7g.40gb", "f:4:11: 'gpus' is the number 0: expected 'all', or a list as *")]
    [InlineData("  - gpus: []\n    layout: 7g.40gb", "f:4:11: 'gpus' is an empty list, which is for no GPU: *")]
    [InlineData("  - gpus: [0, all]\n    layout: 7g.40gb", "f:4:15: 'all' does not name a GPU. *")]
    [InlineData("  - gpus: [\"\"]\n    layout: 7g.40gb", "f:4:12: The name of a GPU is empty. *")]
    [InlineData("  - gpus: [-1]\n    layout: 7g.40gb", "f:4:12: There is no GPU -1: indices begin at 0.")]
    [InlineData(
        "  - gpus: [GPU-1234]\n    layout: 7g.40gb",
        "f:4:12: 'GPU-1234' is not the UUID of a GPU: that is GPU- and 36 characters.")]
    [InlineData("  - gpus: [MIG-1234]\n    layout: 7g.40gb", "f:4:12: 'MIG-1234' does not name a GPU. GPUs are chosen by index (0), *")]
    [InlineData("  - gpus: [0x2330]\n    layout: 7g.40gb", "f:4:12: '0x2330' is not the id of an NVIDIA device: *")]
    [InlineData("  - gpus: [[0]]\n    layout: 7g.40gb", "f:4:12: A GPU is a list: expected *")]
    [InlineData("  - gpus: all\n    layout:", "f:5:*: 'layout' is empty: expected instances, as 3g.20gb:4,1g.5gb*3, or none.")]
    [InlineData("  - gpus: all\n    layout: \"\"", "f:5:13: No instances are named. Write 'none' for a GPU without instances.")]
    [InlineData("  - gpus: all\n    layout: ' '", "f:5:13: No instances are named. *")]
    [InlineData("  - gpus: all\n    layout: [3g.20gb]", "f:5:13: 'layout' is a list: expected instances, *")]
    [InlineData("  - gpus: all\n    layout: 3g.20gb,1g.5gb*0", "f:5:13: '1g.5gb*0' asks for 0 instances: it must be 1 to 1024.")]
    [InlineData("  - gpus: all\n    layout: 3g.20gb:x", "f:5:13: '3g.20gb:x' is not an instance: *")]
    [InlineData("  - gpus: all\n    layout: +1g.5gb", "f:5:13: '+1g.5gb' is a change, and a file has whole layouts: *")]
    public void An_entry_of_our_own(string entry, string message) => Refused(OwnHead + entry, message);

    [Theory]
    [InlineData(
        "{devices: [0, 8], mig-enabled: false}",
        "f:4:5: There is no GPU 8 here. There are GPU 0, 3 (NVIDIA A100-SXM4-40GB, 0x20B010DE) and GPU 1 (NVIDIA H200, "
            + "0x233510DE) and GPU 2 (Tesla T4, 0x1EB810DE).")]
    [InlineData(
        "{devices: [0], device-filter: \"0x233510DE\", mig-enabled: false}",
        "f:4:5: GPU 0 (NVIDIA A100-SXM4-40GB, 0x20B010DE) is named, but device-filter lets only 0x233510DE through. *")]
    [InlineData(
        "{devices: all, device-filter: \"0x233010DE\", mig-enabled: false}",
        "f:3:3: No entry of 'x' is for a GPU of this machine. There are GPU 0, 3 (*")]
    [InlineData(
        "{devices: [2], mig-enabled: true, mig-devices: {}}",
        "f:4:5: MIG is to be enabled on GPU 2 (Tesla T4, 0x1EB810DE), which cannot be divided.")]
    [InlineData(
        "{devices: all, device-filter: \"0x1EB810DE\", mig-enabled: true, mig-devices: {}}",
        "f:3:3: 'x' enables MIG, but no GPU that it is for can be divided. *")]
    public void A_layout_of_which_mig_parted_would_silently_do_nothing(string entry, string message)
    {
        NamedLayout layout = LayoutFile.Parse(Head + "  - " + entry, "f").GetLayout();

        layout.Invoking(l => l.Resolve([Machines.A100(0), Machines.H200(1), Machines.T4(2), Machines.A100(3)]))
            .Should().Throw<LayoutFileException>().WithMessage(message);
    }

    [Theory]
    [InlineData("[GPU-00000000-0000-0000-0000-0000000000ff]", "f:4:5: There is no GPU GPU-00000000-0000-0000-0000-0000000000ff here. *")]
    [InlineData("[\"ff:00.0\"]", "f:4:5: There is no GPU 00000000:FF:00.0 here. *")]
    [InlineData("[A1000]", "f:3:3: No entry of 'x' is for a GPU of this machine. *")]
    public void A_gpu_that_is_not_there(string gpus, string message)
    {
        NamedLayout layout = LayoutFile.Parse(OwnHead + $"  - {{gpus: {gpus}, mig-enabled: false}}", "f").GetLayout();

        layout.Invoking(l => l.Resolve([Machines.A100(0)])).Should().Throw<LayoutFileException>().WithMessage(message);
        layout.Invoking(l => l.Resolve([])).Should().Throw<LayoutFileException>()
            .WithMessage("f:3:3: No entry of 'x' is for *There is no GPU.");
    }

    [Fact]
    public void A_label_that_is_not_there()
    {
        const string Off = "[{devices: all, mig-enabled: no}]";
        LayoutFile file = LayoutFile.Parse($"version: v1\nmig-configs:\n  a: {Off}\n  b: {Off}", "f");

        file.GetLayout("b").Label.Should().Be("b");
        file.Invoking(f => f.GetLayout("c")).Should().Throw<LayoutFileException>()
            .WithMessage("f:1:1: The file has no layout 'c'. It has: a, b.");
        file.Invoking(f => f.GetLayout()).Should().Throw<LayoutFileException>()
            .WithMessage("f:1:1: The file has several layouts: one must be chosen. It has: a, b.");
    }

    [Fact]
    public void Nesting_without_end() =>
        Refused("version: " + new string('[', 100_000), "f:1:74: This is nested too deep for a layout file.");

    [Fact]
    public void Aliases_that_stand_for_more_than_memory_holds()
    {
        string text = "version: v1\nx0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
        for (int i = 1; i < 40; i++)
            text += $"x{i}: &x{i} [{string.Join(", ", Enumerable.Repeat($"*x{i - 1}", 9))}]\n";

        Refused(text, "f:7:10: With the values of this alias, the file has more than a layout file needs: * values.");
    }

    [Fact]
    public void A_file_that_is_not_text()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("config.yaml");
        File.WriteAllBytes(file, [.. "version: v1\n#"u8, 0xFF, 0xFE]);

        FluentActions.Invoking(() => LayoutFile.Read(file)).Should().Throw<LayoutFileException>()
            .WithMessage($"{file}:2:1: This is not UTF-8 text.");
        FluentActions.Invoking(() => LayoutFile.Read(folder.File("none"))).Should().Throw<FileNotFoundException>();
    }

    private static void Refused(string text, string message) =>
        FluentActions.Invoking(() => LayoutFile.Parse(text, "f")).Should().Throw<LayoutFileException>().WithMessage(message);
}
