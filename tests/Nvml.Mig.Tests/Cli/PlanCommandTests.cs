using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

public class PlanCommandTests
{
    [Fact]
    public void A_plan_for_a_model_needs_no_gpu()
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.RunBare("plan", "19,19,14,9", "--for", "A100-SXM4-40GB");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().Match(
            """
            NVIDIA A100-SXM4-40GB
            After:
                0        1        2        3        4        5        6        7      memory slice
            ┌────────┬────────┬─────────────────┬───────────────────────────────────┐
            │ 1g.5gb │ 1g.5gb │     2g.10gb     │              3g.20gb              │
            │  new   │  new   │       new       │                new                │
            └────────┴────────┴─────────────────┴───────────────────────────────────┘
            *create GPU instance 3g.20gb at 4:4*wanted*
            0 GPU instances stay, 0 instances are destroyed.

            """.ReplaceLineEndings("\n") + "\n");
        File.Exists(nvmig.StateFile).Should().BeFalse("the machine that the model was looked up on is nobody's");
    }

    [Fact]
    public void A_plan_shows_before_and_after_and_changes_nothing()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "1g.5gb:1,1g.5gb:2,2g.10gb", "--enable-mig").ExitCode.Should().Be(0);
        string before = nvmig.Run("list", "--json").Out;

        Nvmig.Answer answer = nvmig.Run("plan", "3g.20gb,1g.5gb*3");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should()
            .Match(
                "*Before:*│  free  │  GI 8  │  GI 9  │  free  │      GI 5 *After:*│  new   │  GI 8  │  GI 9  │  free  │                "
                    + "new*");
        answer.Out.Should()
            .Match(
                "*destroy GPU instance 5 (2g.10gb at 4:2)*│ its place is wanted for 3g.20gb at 4:4 *").And.Contain(
                    "2 GPU instances stay, 2 instances are destroyed.");
        nvmig.Run("list", "--json").Out.Should().Be(before);
    }

    [Fact]
    public void The_json_has_the_whole_plan()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "1g.5gb:1,2g.10gb", "--enable-mig").ExitCode.Should().Be(0);

        JsonElement document = nvmig.Run("plan", "3g.20gb,1g.5gb", "--json").Json;

        document.GetProperty("error").ValueKind.Should().Be(JsonValueKind.Null);
        JsonElement gpu = document.GetProperty("gpus")[0];
        gpu.GetProperty("kept").EnumerateArray().Select(id => id.GetInt32()).Should().Equal(8);
        gpu.GetProperty("before").GetArrayLength().Should().Be(2);
        gpu.GetProperty("after").EnumerateArray().Select(i => i.GetProperty("id").ValueKind)
            .Should().Equal(JsonValueKind.Number, JsonValueKind.Null);
        gpu.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("action").GetString()).Should().Equal(
            "DestroyComputeInstance", "DestroyGpuInstance", "CreateGpuInstance", "CreateComputeInstance");
        gpu.GetProperty("steps")[2].GetProperty("placement").GetProperty("start").GetInt32().Should().Be(4);
        gpu.GetProperty("refusal").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public void Without_room_plan_exits_23_and_gives_the_reasons()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("plan", "4g.20gb*2");

        answer.ExitCode.Should().Be(23);
        answer.Complaints.Should().ContainSingle().Which.Should()
            .StartWith("nvmig: GPU 0: 2 instances of 4g.20gb are wanted; a GPU has 1 at most.");
        answer.Out.Should()
            .Contain(
                "There is no plan.\nPossible now: 4g.20gb,3g.20gb   or   ").And.NotContain("are wanted", "that was said on standard error");
        JsonElement document = nvmig.Run("plan", "+3g.20gb*2", "--json").Json;
        document.GetProperty("error").GetProperty("code").GetInt32().Should().Be(23);
        JsonElement refusal = document.GetProperty("gpus")[0].GetProperty("refusal");
        refusal.GetProperty("removal").ValueKind.Should().Be(JsonValueKind.Null, "one 3g.20gb for another gains nothing");
        nvmig.Run("plan", "+7g.40gb", "--json").Json.GetProperty("gpus")[0].GetProperty("refusal").GetProperty("removal")
            .EnumerateArray().Select(id => id.GetInt32()).Should().Equal(2);
        refusal.GetProperty("nearest")[0].GetString().Should().Be("+3g.20gb");
    }

    [Fact]
    public void An_instance_in_use_in_the_way_exits_19_unless_forced()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9,19", "--enable-mig").ExitCode.Should().Be(0);
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(machine.LibraryPath);
        MigDevice half = session.Devices[0].GetMigDevices().Single(d => d.GpuInstanceId == 2);
        using IDisposable process = machine.StartProcess(half, 4711, "python");

        Nvmig.Answer answer = nvmig.Run("plan", "7g.40gb");

        answer.ExitCode.Should().Be(19, answer.Error);
        answer.Complaints.Should()
            .Equal("nvmig: GPU 0: GPU instance 2 (3g.20gb at 4:4) is in use by process 4711 (python) and in the way.");
        nvmig.Run("plan", "4g.20gb").ExitCode.Should().Be(19);
        nvmig.Run("plan", "4g.20gb,3g.20gb").ExitCode.Should().Be(0);
        nvmig.Run("plan", "7g.40gb", "--force-in-use", "2", "-i", "0").ExitCode.Should().Be(0);
        nvmig.Run("plan", "7g.40gb", "--force-in-use", "3", "-i", "0").ExitCode.Should().Be(6);
    }

    [Fact]
    public void Anywhere_adds_instances_on_as_few_gpus_as_possible()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Run("create", "4g.20gb", "-i", "1").ExitCode.Should().Be(0);

        JsonElement document = nvmig.Run("plan", "3g.20gb,7g.40gb", "--anywhere", "--json").Json;
        Nvmig.Answer none = nvmig.Run("plan", "7g.40gb*3", "--anywhere");

        document.GetProperty("gpus").EnumerateArray().Select(g => (g.GetProperty("index").GetInt32(), g.GetProperty("wish").GetString()))
            .Should().Equal((0, "+7g.40gb:0"), (1, "+3g.20gb:4"));
        none.ExitCode.Should().Be(23);
        none.Complaints.Should()
            .ContainSingle().Which.Should()
            .Be("nvmig: There is no room: 3 7g.40gb are wanted; 2 at most fit on 3 GPUs beside the present instances. Placed one after the "
                + "other, 1 of 3 7g.40gb is left over. On the same GPUs without instances there is room for all. Nothing was changed.");
        nvmig.Run("plan", "3g.20gb", "--anywhere", "-i", "0,2", "--json").Json.GetProperty("gpus")[0].GetProperty("index").GetInt32()
            .Should().Be(0);
    }

    [Fact]
    public void A_model_without_mig_cannot_be_planned_for()
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.RunBare("plan", "1g.5gb", "--for", "T4");

        answer.ExitCode.Should().Be(64);
        answer.Complaints.Should().ContainSingle().Which.Should()
            .Contain("does not support MIG. 'simulate models' lists the models that do.");
    }

    /// <summary>Before there is a 7g, NVML does not show what goes inside one.</summary>
    [Fact]
    public void Unreported_compute_instances_are_called_uncertain()
    {
        using Nvmig nvmig = new();

        JsonElement gpu = nvmig.Run("plan", "7g.40gb/4c/3c:4", "--json").Json.GetProperty("gpus")[0];

        gpu.GetProperty("verified").GetBoolean().Should().BeFalse();
        gpu.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("computeSlices").ToString()).Should().Equal("", "", "3", "4");
        gpu.GetProperty("after")[0].GetProperty("computeInstances").EnumerateArray()
            .Select(c => (c.GetProperty("profile").GetString(), c.GetProperty("placement").ValueKind == JsonValueKind.Null))
            .Should().Equal(("3c.7g.40gb", false), ("4c.7g.40gb", true));
        nvmig.Run("plan", "7g.40gb/4c/3c").Out.Should()
            .Contain("Not certain: NVML reports the compute instance profiles of a GPU instance only once it exists.");
        nvmig.Run("plan", "7g.40gb", "--json").Json.GetProperty("gpus")[0].GetProperty("verified").GetBoolean().Should().BeTrue();
    }

    [Theory]
    [InlineData("-GI2")]
    [InlineData("-3g.20gb")]
    [InlineData("+19", "-GI2")]
    [InlineData("--", "-9,+19")]
    public void A_layout_can_begin_with_a_dash(params string[] layout)
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9", "--enable-mig").ExitCode.Should().Be(0);

        nvmig.Run(["plan", .. layout]).Out.Should().Contain("destroy GPU instance 2");
        nvmig.Run(["apply", "--dry-run", .. layout]).Out.Should().Contain("destroy GPU instance 2");
    }

    [Theory]
    [InlineData(64, "plan")]
    [InlineData(64, "plan", "9,,19")]
    [InlineData(64, "plan", "9*0")]
    [InlineData(2, "plan", "3g.21gb")]
    [InlineData(2, "plan", "9:1")]
    [InlineData(2, "plan", "9:0,19:3")]
    [InlineData(6, "plan", "--", "-GI5")]
    [InlineData(2, "plan", "3g.21gb", "--anywhere")]
    [InlineData(64, "plan", "9:0", "--anywhere")]
    [InlineData(64, "plan", "9", "--for", "A30")]
    public void Wrong_options_are_refused(int exitCode, params string[] arguments)
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.Run(arguments);

        answer.ExitCode.Should().Be(exitCode, answer.Error);
        answer.Complaints.Should().ContainSingle();
    }

    [Fact]
    public void An_unknown_gpu_is_planned_too()
    {
        using Nvmig nvmig = new("FUTURE");
        nvmig.Environment["NVML_STUB_DRIVER"] = "future";

        JsonElement document = nvmig.Run("plan", "4g.512gb,1g.128gb*2,1g.256gb", "--json").Json;

        document.GetProperty("gpus")[0].GetProperty("after").EnumerateArray()
            .Select(i => (i.GetProperty("profileId").GetInt32(), i.GetProperty("placement").GetProperty("start").GetInt32()))
            .Should().Equal((119, 0), (119, 4), (121, 8), (105, 16));
    }

    [Fact]
    public void A_gpu_with_mig_disabled_is_planned_as_empty()
    {
        using Nvmig nvmig = new();

        nvmig.Run("plan", "9").Out.Should()
            .Contain(
                "MIG Disabled\nMIG mode is disabled, and enabled first.\n").And.Contain("create GPU instance 3g.20gb at 4:4");
    }
}
