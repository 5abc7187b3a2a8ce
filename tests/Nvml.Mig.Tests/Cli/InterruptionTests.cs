using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// Interrupted, the commands that do not go back finish the call under way, begin nothing further, and say what was done and what was not.
/// </summary>
public class InterruptionTests
{
    private const string CreateGpuInstance = "nvmlDeviceCreateGpuInstance";
    private const string SetMigMode = "nvmlDeviceSetMigMode";

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public void Interrupted_create_leaves_the_created_instances(string signal)
    {
        using Nvmig nvmig = new();
        Hang(nvmig, CreateGpuInstance, nth: 2);

        Nvmig.Answer answer = nvmig.Interrupt(signal, "creating GPU instance 1g.5gb (2 of 3)", "create", "9,19,19", "--enable-mig");

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Complaints.Should().HaveCount(2);
        answer.Complaints[0]
            .Should()
            .Be("nvmig: Interrupted before all instances were created. Those that were created stay. To continue, run 'nvmig create' "
                + "with those that were not tried, or 'nvmig apply' with the whole layout; to undo it, run 'nvmig destroy'.");
        answer.Complaints[1]
            .Should()
            .StartWith("nvmig: GPU 0: MIG mode was enabled; created and left in place: GPU instance 2 (3g.20gb at 4:4), GPU instance 7 "
                + "(1g.5gb at 0:1); not tried: a compute instance in GPU instance 7, 1g.5gb; room now for");
        answer.Out.Should().Contain("│   0 │  7 │ 1g.5gb  │ 0:1   │  - │ -       │ none: not usable yet").And.Be(nvmig.Run("list").Out);
        nvmig.Run("apply", "9,19,19").ExitCode.Should().Be(0, "that is a way to go on");
    }

    [Fact]
    public void Further_signals_change_nothing()
    {
        using Nvmig nvmig = new();
        nvmig.Run("enable").ExitCode.Should().Be(0);
        Hang(nvmig, CreateGpuInstance, nth: 1);

        Nvmig.Answer answer = nvmig.Interrupt(
            "INT INT TERM", "creating GPU instance 3g.20gb (1 of 2)", "create", "9*2", "--no-compute-instances");

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Complaints.Should().HaveCount(2);
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4/none\n");
    }

    [Fact]
    public void A_signal_after_the_last_change_is_a_success()
    {
        using Nvmig nvmig = new();
        nvmig.Run("enable").ExitCode.Should().Be(0);
        Hang(nvmig, CreateGpuInstance, nth: 1);

        Nvmig.Answer answer = nvmig.Interrupt("INT", "creating GPU instance 3g.20gb (1 of 1)", "create", "9", "--no-compute-instances");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Complaints.Should().BeEmpty();
    }

    [Fact]
    public void Interrupted_destroy_reports_what_was_destroyed()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9,19,19", "--enable-mig").ExitCode.Should().Be(0);
        Hang(nvmig, "nvmlComputeInstanceDestroy", nth: 2);

        Nvmig.Answer answer = nvmig.Interrupt("INT", "destroying compute instance 0 of GPU instance 7 (3 of 6)", "destroy", "--all");

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Complaints.Should()
            .Equal("nvmig: Interrupted before all instances were destroyed. The others are as before. To continue, run 'nvmig destroy' "
                + "with them.");
        answer.Out.Should().Be(
            "GPU 0: destroyed compute instance 0 of GPU instance 2, GPU instance 2, compute instance 0 of GPU instance 7. Not destroyed: "
                + "GPU instance 7, compute instance 0 of GPU instance 8, GPU instance 8.\n"
            + nvmig.Run("list").Out);
    }

    [Theory]
    [InlineData("enable")]
    [InlineData("disable")]
    public void An_interrupted_mode_switch_is_reported_for_each_gpu(string command)
    {
        using Nvmig nvmig = new("H200*3");
        nvmig.Run(command == "enable" ? "disable" : "enable").ExitCode.Should().Be(0);
        Hang(nvmig, SetMigMode, nth: 2);
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(machine.LibraryPath);

        Nvmig.Answer answer = nvmig.Interrupt("TERM", _ => session.Devices[1].GetMigMode().Current == (command == "enable"), command);

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Out.Should().Match($"MIG {command}d on GPU 0 (GPU-*\nMIG {command}d on GPU 1 (GPU-*\n");
        answer.Complaints.Should().ContainSingle().Which.Should()
            .Match($"nvmig: Interrupted before GPU 2 (GPU-*): its MIG mode is as it was. To continue, run 'nvmig {command} -i 2'.");
        nvmig.Environment["NVML_STUB_FAULTS"] = null;
        nvmig.Run(command, "--json").Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("changed").GetBoolean())
            .Should().Equal(false, false, true);
    }

    [Fact]
    public void With_json_an_interruption_is_in_the_document()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        Hang(nvmig, CreateGpuInstance, nth: 1);
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(machine.LibraryPath);
        GpuDevice gpu = session.Devices[0];

        Nvmig.Answer create = nvmig.Interrupt(
            "INT", _ => gpu.GetGpuInstances().Count > 0, "create", "9,19", "--no-compute-instances", "--json");
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
        Hang(nvmig, SetMigMode, nth: 1);
        Nvmig.Answer disable = nvmig.Interrupt("INT", _ => !gpu.GetMigMode().Current, "disable", "--json");

        create.ExitCode.Should().Be(130, create.Error);
        Code(create.Json).Should().Be((130, "Cancelled"));
        JsonElement first = create.Json.GetProperty("gpus")[0];
        Code(first).Should().Be((130, "Cancelled"));
        first.GetProperty("created")[0].GetProperty("profile").GetString().Should().Be("3g.20gb");
        first.GetProperty("failed").ValueKind.Should().Be(JsonValueKind.Null);
        first.GetProperty("notTried").EnumerateArray().Select(n => n.GetString()).Should().Equal("1g.5gb");
        create.Json.GetProperty("gpus")[1].GetProperty("notTried").GetArrayLength().Should().Be(2);
        disable.ExitCode.Should().Be(130, disable.Error);
        Code(disable.Json).Should().Be((130, "Cancelled"));
        disable.Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("error").ValueKind)
            .Should().Equal(JsonValueKind.Null, JsonValueKind.Object);
    }

    [Fact]
    public void Apply_rolls_back_when_the_terminal_goes_away()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,19").ExitCode.Should().Be(0);
        string before = nvmig.Run("list").Out;
        Hang(nvmig, "nvmlDeviceCreateGpuInstanceWithPlacement", nth: 1);
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(machine.LibraryPath);
        GpuDevice gpu = session.Devices[0];

        // script gives it a terminal, which goes with script.
        nvmig.InterruptIn(
            "/usr/bin/script",
            "KILL",
            _ => gpu.GetGpuInstances().Any(i => i.Profile.Name == "7g.40gb"),
            "-qc",
            $"{Nvmig.Program} --simulate {nvmig.Simulate} apply 7g.40gb",
            "/dev/null");

        SpinWait.SpinUntil(() => nvmig.Run("list").Out == before, TimeSpan.FromSeconds(30)).Should().BeTrue(nvmig.Run("list").Out);
    }

    private static (int Code, string? Name) Code(JsonElement failed) =>
        (failed.GetProperty("error").GetProperty("code").GetInt32(), failed.GetProperty("error").GetProperty("name").GetString());

    /// <summary>Once it has done its work, a call takes long enough for a signal to come meanwhile.</summary>
    private static void Hang(Nvmig nvmig, string function, int nth) =>
        nvmig.Environment["NVML_STUB_FAULTS"] = (NvmlFault.Hang(function, TimeSpan.FromSeconds(1)) with { Nth = nth, AfterEffect = true })
            .ToString();
}
