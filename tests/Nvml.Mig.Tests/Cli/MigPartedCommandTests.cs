using Nvml.Mig.Configuration;
using Nvml.Mig.Tests.Configuration;

namespace Nvml.Mig.Tests.Cli;

/// <summary><c>assert</c>, <c>export</c>, <c>plan</c> and <c>apply</c> with mig-parted's files, beside mig-parted's own rules.</summary>
public class MigPartedCommandTests
{
    private const string Mixed = "A100-SXM4-40GB*2,T4";

    private const string Labels = """
        version: v1
        mig-configs:
          off: [{devices: all, mig-enabled: false}]
          halves: [{devices: all, mig-enabled: true, mig-devices: {3g.20gb: 2}}]
          mixed:
          - {devices: [0, 1], mig-enabled: true, mig-devices: {3g.20gb: 2}}
          - {devices: [2], mig-enabled: false}
          first: [{devices: [0], mig-enabled: true, mig-devices: {3g.20gb: 2}}]
          a100: [{devices: all, device-filter: "0x20B010DE", mig-enabled: true, mig-devices: {3g.20gb: 2}}]
          decimal: [{devices: all, device-filter: "548409566", mig-enabled: true, mig-devices: {3g.20gb: 2}}]
          t4: [{devices: [2], mig-enabled: false}]
        """;

    [Theory]
    [InlineData("off", false)]
    [InlineData("halves", false)] // a T4 never has MIG enabled
    [InlineData("mixed", true)]
    [InlineData("first", false)] // GPUs 1 and 2 have no entry
    [InlineData("a100", false)] // the T4 has none
    [InlineData("decimal", false)]
    [InlineData("t4", false)]
    public void Assert_has_mig_parteds_verdict(string label, bool holds)
    {
        using Nvmig nvmig = new(Mixed);
        string file = Write(nvmig, Labels);
        nvmig.Run("apply", "-f", file, "-c", "mixed").ExitCode.Should().Be(0);

        nvmig.Run("assert", "-f", file, "-c", label).ExitCode.Should().Be(holds ? 0 : 65);
        MigPartedAsserts(nvmig, Labels, label).Should().Be(holds);
    }

    [Fact]
    public void With_i_only_the_selected_gpus_are_asserted()
    {
        using Nvmig nvmig = new(Mixed);
        string file = Write(nvmig, Labels);
        nvmig.Run("apply", "-f", file, "-c", "mixed");

        nvmig.Run("assert", "-f", file, "-c", "first", "-i", "0").ExitCode.Should().Be(0);
        nvmig.Run("assert", "-f", file, "-c", "halves", "-i", "0,1").ExitCode.Should().Be(0);
        Nvmig.Answer other = nvmig.Run("assert", "-f", file, "-c", "first", "-i", "1", "--json");
        other.ExitCode.Should().Be(65);
        other.Out.Should().Contain("\"holds\": false").And.Contain("The layout does not cover it.");
    }

    [Theory]
    [InlineData(Mixed, "3g.20gb,1g.5gb*2")]
    [InlineData(Mixed, "none")]
    [InlineData(Mixed, "1c.3g.20gb*3")]
    [InlineData("T4,RTX-PRO-6000-Server,A30", "1g")]
    [InlineData("H200-SXM,T4*2", "1g.35gb*2,1g.18gb+me")]
    public void Our_exports_pass_mig_parteds_assert(string machine, string layout)
    {
        using Nvmig nvmig = new(machine);
        if (layout != "1g")
            nvmig.Run("apply", layout, "-i", "0").ExitCode.Should().Be(0);
        else
            nvmig.Run("apply", "1g.24gb+gfx,1g.24gb-me", "-i", "1").ExitCode.Should().Be(0);

        foreach (string format in (string[])["mig-parted", "nvmig"])
        {
            string yaml = nvmig.Run("export", "--format", format).Out;

            nvmig.Run("assert", "-f", Write(nvmig, yaml)).ExitCode.Should().Be(0);
            if (format == "mig-parted")
                MigPartedAsserts(nvmig, yaml, "current").Should().BeTrue(yaml);
        }
    }

    [Theory]
    [InlineData("T4", "off", "nvmig: GPU 0: a Tesla T4 cannot be divided: there is nothing to do.")]
    [InlineData("T4*3", "t4", "nvmig: GPU 0: the layout does not cover it: it stays as it is.")]
    [InlineData("T4*2,A100-SXM4-40GB", "off -i 1", "nvmig: GPU 1: a Tesla T4 cannot be divided: there is nothing to do.")]
    [InlineData(Mixed, "first -i 1", "nvmig: GPU 1: the layout does not cover it: it stays as it is.")]
    public void Nothing_to_do_is_success_with_a_note(string machine, string label, string note)
    {
        using Nvmig nvmig = new(machine);
        string[] arguments = ["-f", Write(nvmig, Labels), "-c", .. label.Split(' ')];

        foreach (string command in (string[])["apply", "plan"])
        {
            Nvmig.Answer answer = nvmig.Run([command, .. arguments]);

            answer.ExitCode.Should().Be(0);
            answer.Complaints.Should().Contain(note);
        }

        nvmig.Run(["apply", "--dry-run", .. arguments]).ExitCode.Should().Be(0);
        nvmig.Run(["apply", "--json", .. arguments]).Out.Should().Contain("\"gpus\": []");
    }

    [Fact]
    public void A_layout_that_no_gpu_can_have_is_no_success()
    {
        using Nvmig nvmig = new("T4");

        nvmig.Run("apply", "-f", Write(nvmig, Labels), "-c", "halves").ExitCode.Should().Be(64);
    }

    [Fact]
    public void Plan_shows_the_plan_of_a_file()
    {
        using Nvmig nvmig = new(Mixed);
        string file = Write(nvmig, Labels);

        Nvmig.Answer plan = nvmig.Run("plan", "-f", file, "-c", "decimal");

        plan.ExitCode.Should().Be(0);
        plan.Out.Should().Contain("GPU 0").And.Contain("GPU 1").And.Contain("create GPU instance 3g.20gb");
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\nGPU 1: MIG disabled\n");
        nvmig.Run("plan", "-f", file, "-c", "first", "--json").Out.Should().Contain("\"wish\": \"3g.20gb*2\"");
        nvmig.Run("apply", "-f", file, "-c", "mixed");
        nvmig.Run("plan", "-f", file, "-c", "off").Out.Should().Contain("MIG mode is enabled, and disabled last.").And.Contain("destroy");
        nvmig.Run("plan", "-f", file, "-c", "mixed").Out.Should().Contain("Nothing to do");
    }

    [Fact]
    public void Plan_takes_a_file_or_a_layout()
    {
        using Nvmig nvmig = new();
        string file = Write(nvmig, Labels);

        nvmig.Run("plan").ExitCode.Should().Be(64);
        nvmig.Run("plan", "3g.20gb", "-f", file, "-c", "off").ExitCode.Should().Be(64);
        nvmig.Run("plan", "3g.20gb", "-c", "off").ExitCode.Should().Be(64);
        nvmig.Run("plan", "-f", file, "-c", "off", "--anywhere").ExitCode.Should().Be(64);
        nvmig.RunBare("plan", "-f", file, "-c", "off", "--for", "A100-SXM4-40GB").ExitCode.Should().Be(64);
        nvmig.Run("plan", "-f", file).Complaints.Should().ContainSingle().Which.Should().Contain("one must be chosen");
    }

    [Theory]
    [InlineData("apply")]
    [InlineData("plan")]
    [InlineData("assert")]
    public void A_name_of_another_driver_is_noted(string command)
    {
        using Nvmig nvmig = new("A100-SXM4-80GB");

        nvmig.Run(command, "3g.39gb,1g.10gb").Complaints.Should()
            .Contain("nvmig: GPU 0: 3g.39gb is 3g.40gb here: drivers round the size differently.");
        nvmig.Run(command, "3g.40gb,1g.10gb").Error.Should().NotContain("round");
    }

    [Theory]
    [InlineData("/dev/zero")]
    [InlineData("/dev")]
    [InlineData("FIFO")]
    public void A_layout_file_is_a_regular_file(string path)
    {
        using Nvmig nvmig = new();
        if (path == "FIFO")
        {
            path = Path.Combine(nvmig.Folder, "fifo");
            Nvmig.Start("/bin/sh", ["-c", $"mkfifo '{path}'"], new Dictionary<string, string?>());
        }

        foreach (string command in (string[])["apply", "assert", "plan"])
        {
            Nvmig.Answer answer = nvmig.Run(command, "-f", path);

            answer.ExitCode.Should().Be(17);
            answer.Complaints.Should().ContainSingle().Which.Should().Contain("regular file");
        }
    }

    [Fact]
    public void A_config_map_through_links_is_read()
    {
        using Nvmig nvmig = new();
        string file = Write(
            nvmig, "apiVersion: v1\nkind: ConfigMap\ndata:\n  config.yaml: |\n    " + Labels.ReplaceLineEndings("\n    ") + "\n");
        string link = Path.Combine(nvmig.Folder, "config.yaml");
        File.CreateSymbolicLink(link, file); // as Kubernetes mounts them

        nvmig.Run("apply", "-f", link, "-c", "first").ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:0,3g.20gb:4\n");
    }

    private static bool MigPartedAsserts(Nvmig nvmig, string yaml, string label)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        return MigPartedRules.Assert(session.Devices, LayoutFile.Parse(yaml, "config.yaml").GetLayout(label));
    }

    private static string Write(Nvmig nvmig, string text)
    {
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
