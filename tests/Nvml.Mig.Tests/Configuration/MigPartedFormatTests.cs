using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>mig-parted's format v1 means what it means to mig-parted.</summary>
public class MigPartedFormatTests
{
    private const string Head = "version: v1\nmig-configs:\n  x:\n";

    [Fact]
    public void A_file_has_layouts_under_labels()
    {
        LayoutFile file = LayoutFile.Parse(
            """
            version: v1
            mig-configs:
              off:
                - devices: all
                  mig-enabled: false

              empty:
                - devices: all
                  mig-enabled: true
                  mig-devices: {}

              # two kinds of node in one
              mixed:
                - devices: [0,1]
                  mig-enabled: false
                - devices: [2]
                  mig-enabled: true
                  mig-devices:
                    "3g.20gb": 1
                    "1g.5gb": 3
            """,
            "config.yaml");

        file.Format.Should().Be(LayoutFileFormat.MigParted);
        file.Layouts.Select(layout => layout.Label).Should().Equal("off", "empty", "mixed");
        Machines.Describe(file.GetLayout("off").Resolve(Machines.A100s(2))).Should().Equal("0: off", "1: off");
        Machines.Describe(file.GetLayout("empty").Resolve(Machines.A100s(2))).Should().Equal("0: none", "1: none");
        Machines.Describe(file.GetLayout("mixed").Resolve(Machines.A100s(3))).Should().Equal("0: off", "1: off", "2: 3g.20gb,1g.5gb*3");
    }

    [Theory]
    [InlineData("1g.5gb: 7", "1g.5gb*7")]
    [InlineData("\"3g.20gb\": 2", "3g.20gb*2")]
    [InlineData("1g.5gb+me: 1", "1g.5gb+me")]
    [InlineData("1g.24gb+gfx: 4", "1g.24gb+gfx*4")]
    [InlineData("1g.24gb-me: 4", "1g.24gb-me*4")]
    [InlineData("1g.24gb+me.all: 1", "1g.24gb+me.all")]
    [InlineData("1g.24gb+me,gfx: 2", "1g.24gb+gfx+me*2")]
    [InlineData("1g.24gb-me,gfx: 2", "1g.24gb-gfx-me*2")]
    [InlineData("1c.3g.20gb: 2", "1c.3g.20gb*2")]
    [InlineData("3c.3g.20gb: 1", "3g.20gb")]
    [InlineData("1c.2g.10gb+me: 2", "1c.2g.10gb+me*2")]
    [InlineData("{2c.3g.20gb: 1, 1c.3g.20gb: 1, 1g.5gb: 0}", "2c.3g.20gb,1c.3g.20gb")]
    [InlineData("{}", "none")]
    public void Devices_become_a_layout(string devices, string layout)
    {
        string value = devices.StartsWith('{') ? " " + devices : "\n      " + devices;

        Machines.Resolve(Head + $"  - devices: all\n    mig-enabled: true\n    mig-devices:{value}\n", Machines.A100(0))
            .Should().Equal("0: " + layout);
        LayoutSpec.Parse(layout).ToString().Should().Be(layout, "that is how it is written by hand");
    }

    [Theory]
    [InlineData("devices: all", "0 1 2 3")]
    [InlineData("devices: \"all\"", "0 1 2 3")]
    [InlineData("devices: [1, 3]", "1 3")]
    [InlineData("devices: [3, 1, 1]", "1 3")]
    [InlineData("devices:\n    - 2", "2")]
    [InlineData("{devices: all, device-filter: \"0x233510DE\"}", "2 3")]
    [InlineData("{devices: all, device-filter: \"0x233510de\"}", "2 3")]
    [InlineData("{devices: [3], device-filter: [\"0x20B010DE\", '0x233510DE']}", "3")]
    [InlineData("{devices: all, device-filter: \"0x233510DE:0x18BF10DE\"}", "2 3")]
    [InlineData("{devices: all, device-filter: 0x233510DE:0x18BF10DE}", "2 3")]
    [InlineData("{devices: all, device-filter: [\"0x233510DE:0x18BE10DE\", \"0x20B010DE\"]}", "0 1")]
    [InlineData("{devices: all, device-filter: \"590680286\"}", "2 3")] // decimal
    [InlineData("{devices: all, device-filter: [\"0X2335_10de\", \"0b00100000101100000001000011011110\"]}", "0 1 2 3")]
    [InlineData("{devices: all, device-filter: \"04315210336\"}", "2 3")] // octal
    [InlineData("{devices: all, device-filter: \"590680286:415174878\"}", "2 3")]
    [InlineData("{devices: all, device-filter: }", "0 1 2 3")]
    [InlineData("{devices: all, device-filter: \"\"}", "0 1 2 3")]
    [InlineData("{devices: all, device-filter: []}", "0 1 2 3")]
    public void An_entry_chooses_gpus(string selection, string indices)
    {
        string entry = selection.StartsWith('{') ? selection[..^1] + ", mig-enabled: no}" : selection + "\n    mig-enabled: no";

        ResolvedLayout resolved = LayoutFile.Parse(Head + $"  - {entry}\n", "f").GetLayout()
            .Resolve([Machines.A100(0), Machines.A100(1), Machines.H200(2), Machines.H200(3)]);

        string.Join(' ', resolved.Gpus.Select(gpu => gpu.Gpu.Index)).Should().Be(indices);
        resolved.LeftOut.Should().HaveCount(4 - resolved.Gpus.Count);
    }

    [Theory]
    [InlineData("true", true)]
    [InlineData("True", true)]
    [InlineData("yes", true)]
    [InlineData("on", true)]
    [InlineData("false", false)]
    [InlineData("FALSE", false)]
    [InlineData("no", false)]
    [InlineData("Off", false)]
    public void The_mode_is_any_boolean_of_yaml(string value, bool enabled)
    {
        LayoutFile.Parse($"version: v1\nmig-configs: {{x: [{{devices: all, mig-enabled: {value}, mig-devices: {{}}}}]}}", "f")
            .GetLayout().Entries[0].IsMigEnabled.Should().Be(enabled);
    }

    [Fact]
    public void With_mig_disabled_devices_can_be_left_out_or_left_empty()
    {
        foreach (string devices in (string[])["", "mig-devices:", "mig-devices: {}", "mig-devices: null"])
            Machines.Resolve(Head + $"  - devices: all\n    mig-enabled: false\n    {devices}\n", Machines.A100(0))
                .Should().Equal("0: off");
    }

    [Fact]
    public void Json_is_read_with_tabs_and_all()
    {
        const string Entry = "{\n\t\"devices\": [0],\n\t\"mig-enabled\": true,\n\t\"mig-devices\": {\"1g.5gb\": 2},\n\t}";

        Machines.Resolve($"{{\n\t\"version\": \"v1\",\n\t\"mig-configs\": {{\n\t\t\"x\": [{Entry}]\n\t}}\n}}\n", Machines.A100(0))
            .Should().Equal("0: 1g.5gb*2");
    }

    [Fact]
    public void Anchors_and_merged_mappings_are_read()
    {
        Machines.Resolve(
            """
            version: v1
            mig-configs:
              x:
              - &first
                devices: [0]
                mig-enabled: true
                mig-devices: &small
                  1g.5gb: 7
              - <<: *first
                devices: [1]
              - <<: [{devices: [2]}, *first]
                mig-devices: *small
            """,
            Machines.A100s(3)).Should().Equal("0: 1g.5gb*7", "1: 1g.5gb*7", "2: 1g.5gb*7");
    }

    [Fact]
    public void Of_several_entries_for_a_gpu_the_last_counts()
    {
        Machines.Resolve(
            """
            version: v1
            mig-configs:
              x:
              - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 7}}
              - {devices: [1], mig-enabled: true, mig-devices: {3g.20gb: 2}}
            """,
            Machines.A100s(2)).Should().Equal("0: 1g.5gb*7", "1: 3g.20gb*2");
    }

    [Fact]
    public void Entries_that_contradict_each_other_in_the_mode_are_refused()
    {
        NamedLayout layout = LayoutFile.Parse(
            """
            version: v1
            mig-configs:
              x:
              - {devices: all, mig-enabled: true, mig-devices: {1g.5gb: 7}}
              - {devices: [1], mig-enabled: false}
            """,
            "config.yaml").GetLayout();

        layout.Invoking(l => l.Resolve(Machines.A100s(2))).Should().Throw<LayoutFileException>()
            .WithMessage("config.yaml:5:5: GPU 1 (NVIDIA A100-SXM4-40GB, 0x20B010DE) has an entry already, at *:4:5, and the two *")
            .Which.Location.Should().Be(new FileLocation("config.yaml", 5, 5));
        Machines.Describe(layout.Resolve([Machines.A100(0), Machines.T4(1)])).Should().Equal("0: 1g.5gb*7"); // a T4 has no mode
    }

    [Fact]
    public void Of_a_file_for_many_models_only_the_entries_for_ours_count()
    {
        NamedLayout layout = LayoutFile.Parse(
            """
            version: v1
            mig-configs:
              all-balanced:
              # older ones
              - device-filter: ["0x20B010DE", "0x20B110DE"]
                devices: all
                mig-enabled: true
                mig-devices: {"1g.5gb": 2, "2g.10gb": 1, "3g.20gb": 1}
              - device-filter: "0x233510DE"
                devices: [0, 1, 2, 3, 4, 5, 6, 7]
                mig-enabled: true
                mig-devices: {"1g.18gb": 2, "2g.35gb": 1, "3g.71gb": 1}
            """,
            "f").GetLayout("all-balanced");

        ResolvedLayout resolved = layout.Resolve([Machines.A100(0), Machines.T4(1), Machines.A100(2)]);

        Machines.Describe(resolved).Should().Equal("0: 1g.5gb*2,2g.10gb,3g.20gb", "2: 1g.5gb*2,2g.10gb,3g.20gb");
        resolved.LeftOut.Should().Equal(Machines.T4(1));
        resolved.Unused.Should().Equal(layout.Entries[1]);
    }

    [Fact]
    public void A_workstation_with_a_display_gpu_can_say_so()
    {
        // The shape of a DGX Station's file: the display GPU in the middle, chosen by filter and index.
        const string Yaml = """
            version: v1
            mig-configs:
              station:
              - {device-filter: "0x20B010DE", devices: [0], mig-enabled: false, mig-devices: {}}
              - {device-filter: "0x20B010DE", devices: [1, 3], mig-enabled: true, mig-devices: {"3g.20gb": 2}}
              - {device-filter: "0x1EB810DE", devices: [2], mig-enabled: false, mig-devices: {}}
            """;

        ResolvedLayout resolved = LayoutFile.Parse(Yaml, "f").GetLayout()
            .Resolve([Machines.A100(0), Machines.A100(1), Machines.T4(2), Machines.A100(3)]);

        Machines.Describe(resolved).Should().Equal("0: off", "1: 3g.20gb*2", "3: 3g.20gb*2");
        resolved.NotMigCapable.Should().ContainSingle().Which.Should().BeEquivalentTo(new { Gpu = Machines.T4(2), IsMigEnabled = false });
        (resolved.LeftOut.Count, resolved.Unused.Count).Should().Be((0, 0));
    }

    [Fact]
    public void Each_entry_keeps_its_place_for_later_messages()
    {
        LayoutFile.Parse("version: v1\nmig-configs:\n  x:\n    - devices: all\n      mig-enabled: false\n", "f").GetLayout()
            .Resolve(Machines.A100s(1)).Gpus[0].Location.Should().Be(new FileLocation("f", 4, 7));
    }

    [Theory]
    [InlineData("all", "false", false)]
    [InlineData("[0]", "false", false)]
    [InlineData("all", "true", true)]
    public void A_gpu_that_cannot_be_divided_has_nothing_to_do(string devices, string enabled, bool isMigEnabled)
    {
        ResolvedLayout resolved = LayoutFile.Parse(
            Head
                + $"  - {{devices: {devices}, mig-enabled: {enabled}, mig-devices: {{}}}}\n  - {{devices: [1], mig-enabled: {enabled}, "
                + $"mig-devices: {{}}}}\n", "f")
            .GetLayout().Resolve([Machines.T4(0), isMigEnabled ? Machines.A100(1) : Machines.T4(1)]);

        resolved.Gpus.Should().HaveCount(isMigEnabled ? 1 : 0);
        resolved.LeftOut.Should().BeEmpty();
        resolved.NotMigCapable[0].IsMigEnabled.Should().Be(isMigEnabled, "mig-parted's assert fails then");
    }
}
