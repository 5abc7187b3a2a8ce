namespace Nvml.Mig.Tests.Cli;

/// <summary><c>apply</c> and <c>assert</c> with a file: mig-parted's, as sites have them, and our own.</summary>
public class LayoutFileCommandTests
{
    private const string MigParted = """
        version: v1
        mig-configs:
          all-disabled:
          - devices: all
            mig-enabled: false
          mixed:
          - devices: [0]
            mig-enabled: true
            mig-devices: {"1g.5gb": 2, "3g.20gb": 1}
          - devices: [1]
            mig-enabled: true
            mig-devices: {"1c.3g.20gb": 3}
        """;

    [Fact]
    public void A_mig_parted_file_is_applied_by_its_label_and_holds()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        string file = Write(nvmig, MigParted);

        nvmig.Run("apply", "-f", file, "-c", "mixed").ExitCode.Should().Be(0);

        nvmig.Run("assert", "-f", file, "-c", "mixed").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: 1g.5gb:0,1g.5gb:1,3g.20gb:4\nGPU 1: 3g.20gb:4/1c:0/1c:1/1c:2\n");
        nvmig.Run("assert", "-f", file, "-c", "all-disabled").ExitCode.Should().Be(65);
        nvmig.Run("apply", "-f", file, "-c", "all-disabled").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\nGPU 1: MIG disabled\n");
    }

    [Fact]
    public void Our_own_file_has_placements_and_may_leave_gpus_out()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        string file = Write(nvmig, """
            nvmig: v1
            layouts:
              only:
              - gpus: [1]
                layout: 3g.20gb:0,1g.5gb:6
            """);

        nvmig.Run("apply", "-f", file).ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\nGPU 1: 3g.20gb:0,1g.5gb:6\n");
        nvmig.Run("assert", "-f", file).Complaints.Should().Equal("nvmig: GPU 0: the layout does not cover it.");
    }

    [Fact]
    public void With_i_only_these_gpus_are_changed()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        string file = Write(nvmig, MigParted);

        nvmig.Run("apply", "-f", file, "-c", "mixed", "-i", "1").ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().StartWith("GPU 0: MIG disabled\n");
    }

    [Theory]
    [InlineData("version: v1\nmig-configs:\n  a:\n  - devices: all\n    mig-enable: true\n", 64, "layouts.yaml:5:5: *mig-enable*")]
    [InlineData(
        "version: v1\nmig-configs:\n  a:\n  - devices: [7]\n    mig-enabled: true\n    mig-devices: {}\n", 64, "layouts.yaml:4:5: *GPU 7*")]
    public void A_wrong_file_is_refused_with_its_line(string text, int exitCode, string complaint)
    {
        using Nvmig nvmig = new();
        string file = Write(nvmig, text);

        Nvmig.Answer answer = nvmig.Run("apply", "-f", file);

        answer.ExitCode.Should().Be(exitCode);
        answer.Complaints.Should().ContainSingle().Which.Should().Match($"nvmig: *{complaint}");
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\n");
    }

    [Fact]
    public void Unknown_labels_missing_files_and_double_layouts_are_refused()
    {
        using Nvmig nvmig = new();
        string file = Write(nvmig, MigParted);

        nvmig.Run("apply", "-f", file, "-c", "nothing").Complaints.Should().ContainSingle().Which.Should().Contain("all-disabled");
        nvmig.Run("apply", "-f", file + ".none").ExitCode.Should().Be(17);
        nvmig.Run("apply", "3g.20gb", "-f", file).ExitCode.Should().Be(64);
        nvmig.Run("apply").ExitCode.Should().Be(64);
        nvmig.Run("apply", "3g.20gb", "-c", "mixed").ExitCode.Should().Be(64);
    }

    [Fact]
    public void An_exported_file_makes_the_same_layout_elsewhere()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3");
        nvmig.Run("apply", "9:0/2c:0/1c:2,19:4,19:6", "-i", "0,1").ExitCode.Should().Be(0);
        string before = nvmig.Run("export").Out;
        string list = nvmig.Run("list").Out;
        string file = Write(nvmig, nvmig.Run("export", "--format", "nvmig", "--label", "night").Out);
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
        nvmig.Run("disable").ExitCode.Should().Be(0);

        nvmig.Run("apply", "-f", file, "-c", "night").ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().Be(before);
        nvmig.Run("list").Out.Should().Be(list, "the UUIDs follow from the places");
    }

    [Fact]
    public void An_export_for_mig_parted_has_no_placements()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("apply", "9:0,19:4,19:6", "-i", "1").ExitCode.Should().Be(0);
        string yaml = nvmig.Run("export", "--format", "mig-parted").Out;

        yaml.Should().StartWith("version: v1\nmig-configs:\n  current:\n").And.Contain("1g.5gb: 2").And.NotContain(":4");
        nvmig.Run("assert", "-f", Write(nvmig, yaml)).ExitCode.Should().Be(0);
        nvmig.Run("apply", "9/none", "-i", "1").ExitCode.Should().Be(0);
        nvmig.Run("export", "--format", "mig-parted").Complaints.Should().ContainSingle().Which.Should()
            .Contain("mig-parted's format cannot express what is on GPU 1");
        nvmig.Run("export", "--format", "nvmig", "--json").ExitCode.Should().Be(64);
        nvmig.Run("export", "--label", "x").ExitCode.Should().Be(64);
        nvmig.Run("export", "--format", "xml").ExitCode.Should().Be(64);
    }

    private static string Write(Nvmig nvmig, string text)
    {
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
