using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>A dry run shows every step, those that switch the MIG mode too: as text, as a picture and as JSON.</summary>
public class DryRunTests
{
    private const string Off = "nvmig: v1\nlayouts:\n  off:\n  - gpus: all\n    mig-enabled: false\n";

    [Theory]
    [InlineData("none", "disable MIG")]
    [InlineData("9", "destroy compute instance 0", "destroy GPU instance 2", "disable MIG")]
    public void To_disable_is_a_step(string there, params string[] steps)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", there).ExitCode.Should().Be(0);
        string file = Path.Combine(nvmig.Folder, "off.yaml");
        File.WriteAllText(file, Off);

        Nvmig.Answer plan = nvmig.Run("plan", "-f", file);
        Nvmig.Answer dryRun = nvmig.Run("apply", "-f", file, "--dry-run");

        plan.ExitCode.Should().Be(0, plan.Error);
        plan.Out.Should().ContainAll(steps).And.Contain("MIG mode is enabled, and disabled last.").And.NotContain("Nothing to do");
        dryRun.Out.Should().Be(plan.Out);
        Steps(nvmig.Run("plan", "-f", file, "--json")).Should().Equal(Steps(nvmig.Run("apply", "-f", file, "--dry-run", "--json")))
            .And.EndWith("DisableMig").And.HaveCount(steps.Length);
        nvmig.Run("plan", "-f", file, "--svg", "-").Out.Should().Contain("MIG mode is enabled, and disabled last.");
        nvmig.Run("export").Out.Should().NotContain("MIG disabled");
    }

    [Theory]
    [InlineData("none", "EnableMig")]
    [InlineData("7g.40gb", "EnableMig", "CreateGpuInstance", "CreateComputeInstance")]
    [InlineData("+7g.40gb", "EnableMig", "CreateGpuInstance", "CreateComputeInstance")]
    public void To_enable_is_a_step(string layout, params string[] steps)
    {
        using Nvmig nvmig = new();

        Nvmig.Answer plan = nvmig.Run("plan", layout);

        plan.Out.Should().Contain("MIG mode is disabled, and enabled first.").And.Contain("enable MIG").And.NotContain("Nothing to do");
        nvmig.Run("apply", layout, "--dry-run").Out.Should().Be(plan.Out);
        Steps(nvmig.Run("plan", layout, "--json")).Should().Equal(steps);
        Steps(nvmig.Run("apply", layout, "--dry-run", "--json")).Should().Equal(steps);
        nvmig.Run("plan", layout, "--svg", "-").Out.Should().Contain("MIG mode is disabled, and enabled first.");
        JsonElement gpu = nvmig.Run("plan", layout, "--json").Json.GetProperty("gpus")[0];
        Mode(gpu, "mig").Should().BeFalse();
        Mode(gpu, "migAfter").Should().BeTrue();
    }

    [Fact]
    public void Anywhere_enables_the_gpus_that_get_an_instance()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");

        Nvmig.Answer plan = nvmig.Run("plan", "7g.40gb", "--anywhere", "--json");

        Steps(plan).Should().Equal("EnableMig", "CreateGpuInstance", "CreateComputeInstance");
    }

    [Fact]
    public void A_reboot_that_is_needed_is_said()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");

        Nvmig.Answer plan = nvmig.Run("plan", "9");
        Nvmig.Answer pending = nvmig.Run("apply", "9", "--dry-run", "--leave-pending");

        plan.ExitCode.Should().Be((int)NvmlReturnCode.ResetRequired);
        plan.Out.Should().Contain("MIG mode is disabled, and enabled first. That takes a reboot, or a reset from outside.")
            .And.Contain("takes a reboot").And.Contain("create GPU instance 3g.20gb").And.Contain("It cannot be done now.");
        nvmig.Run("apply", "9", "--dry-run").Should().BeEquivalentTo(new { plan.ExitCode, plan.Out });
        JsonElement gpu = nvmig.Run("plan", "9", "--json").Json.GetProperty("gpus")[0];
        gpu.GetProperty("error").GetProperty("name").GetString().Should().Be("ResetRequired");
        gpu.GetProperty("steps")[0].GetProperty("reason").GetString().Should().Contain("reboot");
        nvmig.Run("plan", "9", "--svg", "-").Out.Should().Contain("That takes a reboot");
        pending.ExitCode.Should().Be(0, pending.Error);
        pending.Out.Should().Contain("enable MIG").And.Contain("That takes a reboot").And.NotContain("create GPU instance");
    }

    [Fact]
    public void A_rollback_shows_its_steps()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("rollback", "--dry-run");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().Contain("MIG mode is enabled, and disabled last.").And.Contain("destroy GPU instance 2 (3g.20gb at 4:4)")
            .And.Contain("it was so before").And.Contain("disable MIG");
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\n");
    }

    /// <summary>An apply would finish it, and so the plan shows that.</summary>
    [Fact]
    public void A_change_that_was_begun_is_shown_as_such()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlGpuInstanceCreateComputeInstanceWithPlacement=kill";
        nvmig.Run("apply", "+19").ExitCode.Should().Be(137);
        nvmig.Environment["NVML_STUB_FAULTS"] = null;

        Nvmig.Answer plan = nvmig.Run("plan", "+19");

        Steps(nvmig.Run("plan", "+19", "--json")).Should().Equal("CreateComputeInstance");
        plan.Out.Should().Contain("the change was begun before, and is finished");
        nvmig.Run("apply", "+19", "--dry-run").Out.Should().Be(plan.Out);
    }

    private static IEnumerable<string?> Steps(Nvmig.Answer answer) =>
        answer.Json.GetProperty("gpus")[0].GetProperty("steps").EnumerateArray().Select(step => step.GetProperty("action").GetString());

    private static bool Mode(JsonElement gpu, string name) => gpu.GetProperty(name).GetProperty("current").GetBoolean();
}
