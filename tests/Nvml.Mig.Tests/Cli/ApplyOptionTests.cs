using System.Text.Json;
using Nvml.Mig.Native;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The options of apply, plan and rollback for instances, modes and time.</summary>
public class ApplyOptionTests
{
    private const string Vm = "A100-SXM4-40GB+vm";
    private const int InUse = (int)NvmlReturnCode.InUse;
    private const int NotFound = (int)NvmlReturnCode.NotFound;

    [Theory]
    [InlineData("plan")]
    [InlineData("apply")]
    [InlineData("apply", "--evict")]
    public void Keep_protects_an_idle_instance(params string[] command)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,19").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run([.. command, "7g.40gb", "--keep", "2", "-i", "0"]);

        answer.ExitCode.Should().Be(InUse, answer.Error);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain("GPU instance 2 (3g.20gb at 4:4)");
        nvmig.Run("export").Out.Should().Be("GPU 0: 1g.5gb:0,3g.20gb:4\n");
    }

    [Fact]
    public void Keep_leaves_the_rest_to_change()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("apply", "9:4,19:0").ExitCode.Should().Be(0);
        string kept = nvmig.Run("list", "--json").Json.GetProperty("gpus")[1].GetProperty("gpuInstances")[0]
            .GetProperty("computeInstances")[0].GetProperty("migUuid").GetString()!;

        Nvmig.Answer answer = nvmig.Run("apply", "9", "--keep", kept);

        answer.ExitCode.Should().Be(0, answer.Error);
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\nGPU 1: 3g.20gb:4\n");
        nvmig.Run("apply", "7g.40gb", "--keep", kept, "--json").Json.GetProperty("gpus").EnumerateArray()
            .Select(gpu => gpu.GetProperty("outcome").GetString()).Should().Equal("NotTried", "Refused");
        nvmig.Run("apply", "none", "--keep", kept).ExitCode.Should().Be(InUse);
    }

    [Theory]
    [InlineData(64, "2")]
    [InlineData(64, "half")]
    [InlineData(64, "")]
    [InlineData(64, "-1")]
    [InlineData(NotFound, "MIG-00000000-0000-0000-0000-000000000000")]
    public void An_instance_to_keep_must_be_named_clearly(int exitCode, string instance)
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);

        nvmig.Run("apply", "none", "--keep", instance).ExitCode.Should().Be(exitCode);
        nvmig.Run("plan", "none", "--keep", instance).ExitCode.Should().Be(exitCode);
        nvmig.Run("apply", "none", "--keep", "5", "-i", "0").ExitCode.Should().Be(NotFound);
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\nGPU 1: 3g.20gb:4\n");
    }

    [Fact]
    public void Evict_destroys_the_fewest_idle_instances()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19*7").ExitCode.Should().Be(0);
        nvmig.Run("apply", "+14").ExitCode.Should().Be((int)NvmlReturnCode.InsufficientResources);

        JsonElement plan = nvmig.Run("plan", "+14", "--evict", "--json").Json.GetProperty("gpus")[0];
        Nvmig.Answer answer = nvmig.Run("apply", "+14", "--evict");

        plan.GetProperty("kept").GetArrayLength().Should().Be(5);
        answer.ExitCode.Should().Be(0, answer.Error);
        string layout = nvmig.Run("export").Out;
        layout.Should().Contain("2g.10gb:");
        layout.Split("1g.5gb").Should().HaveCount(1 + 5);
    }

    [Theory]
    [InlineData("--anywhere", "--evict")]
    [InlineData("--anywhere", "--keep", "2")]
    [InlineData("--for", "A30", "--evict")]
    [InlineData("--for", "A30", "--keep", "2")]
    public void Options_that_contradict_are_refused(params string[] options)
    {
        using Nvmig nvmig = new();

        nvmig.RunBare(["plan", "9", .. options]).ExitCode.Should().BeOneOf(64, 12);
        nvmig.Run(["plan", "9", .. options]).ExitCode.Should().Be(64);
    }

    [Fact]
    public void A_pending_mode_is_completed_after_the_reboot()
    {
        using Nvmig nvmig = new(Vm);
        nvmig.Run("apply", "9").ExitCode.Should().Be((int)NvmlReturnCode.ResetRequired);

        Nvmig.Answer first = nvmig.Run("apply", "9", "--leave-pending");
        Nvmig.Answer again = nvmig.Run("apply", "9", "--leave-pending", "--json");

        first.ExitCode.Should().Be(75, first.Error);
        first.Out.Should().StartWith("GPU 0: MIG mode left pending, nothing else was changed.\n").And.Contain("Disabled, Enabled pending");
        first.Complaints.Should().Equal(
            "nvmig: GPU 0: The MIG mode is Disabled, Enabled pending: reboot, or reset the GPU from outside, and apply the same again.");
        again.ExitCode.Should().Be(75);
        (Code(again.Json), Code(again.Json.GetProperty("gpus")[0])).Should().Be((75, 75));
        Reboot(nvmig);
        nvmig.Run("apply", "9", "--leave-pending").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\n");
    }

    [Fact]
    public void A_mode_to_disable_is_left_pending_too()
    {
        using Nvmig nvmig = new(Vm);
        nvmig.Run("enable");
        Reboot(nvmig);
        string file = Path.Combine(nvmig.Folder, "off.yaml");
        File.WriteAllText(file, "nvmig: v1\nlayouts:\n  off:\n  - gpus: all\n    mig-enabled: false\n");

        nvmig.Run("apply", "-f", file, "--leave-pending").ExitCode.Should().Be(75);
        JsonElement mode = nvmig.Run("devices", "--json").Json.GetProperty("gpus")[0].GetProperty("mig");
        mode.GetProperty("pending").GetBoolean().Should().BeFalse();
        Reboot(nvmig);
        nvmig.Run("apply", "-f", file, "--leave-pending").ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_pending_gpu_keeps_no_other_from_its_layout()
    {
        using Nvmig nvmig = new(Vm + ",H100-SXM5-80GB");

        Nvmig.Answer answer = nvmig.Run("apply", "9", "--leave-pending", "--json");

        answer.ExitCode.Should().Be(75, answer.Error);
        answer.Json.GetProperty("gpus").EnumerateArray().Select(gpu => gpu.GetProperty("outcome").GetString())
            .Should().Equal("Pending", "Applied");
        nvmig.Run("rollback").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\nGPU 1: MIG disabled\n");
    }

    [Fact]
    public void A_failure_counts_more_than_a_pending_mode()
    {
        using Nvmig nvmig = new(Vm + ",H100-SXM5-80GB");
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceCreateGpuInstanceWithPlacement=NVML_ERROR_UNKNOWN";

        nvmig.Run("apply", "9", "--leave-pending").ExitCode.Should().Be(255);
        nvmig.Run("apply", "9", "--leave-pending", "--reset-gpu").ExitCode.Should().Be(64);
    }

    [Theory]
    [InlineData("apply", "9")]
    [InlineData("rollback")]
    public async Task Wait_waits_for_another_that_changes_layouts(params string[] command)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19").ExitCode.Should().Be(0);
        FileLock other = FileLock.TryTake(Path.Combine(nvmig.StateFile + ".apply", "lock"))!;
        nvmig.Run(command).ExitCode.Should().Be(InUse);
        nvmig.Run([.. command, "--wait", "0.2"]).ExitCode.Should().Be(InUse);

        Task<Nvmig.Answer> waiting = Task.Run(() => nvmig.Run([.. command, "--wait", "50"]));
        await Task.Delay(400);
        waiting.IsCompleted.Should().BeFalse();
        other.Dispose();

        Nvmig.Answer answer = await waiting;
        answer.ExitCode.Should().Be(0, answer.Error);
    }

    [Theory]
    [InlineData("-1")]
    [InlineData("soon")]
    [InlineData("NaN")]
    [InlineData("1e9")]
    public void A_time_to_wait_is_a_number(string seconds)
    {
        using Nvmig nvmig = new();

        nvmig.Run("apply", "9", "--wait", seconds).ExitCode.Should().Be(64);
        nvmig.Run("rollback", $"--wait={seconds}").ExitCode.Should().Be(64);
    }

    [Fact]
    public void An_interruption_ends_the_waiting()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19").ExitCode.Should().Be(0);
        using FileLock other = FileLock.TryTake(Path.Combine(nvmig.StateFile + ".apply", "lock"))!;
        DateTime begun = DateTime.UtcNow;

        Nvmig.Answer answer = nvmig.Interrupt(
            "INT", _ => DateTime.UtcNow - begun > TimeSpan.FromSeconds(2), "apply", "9", "--wait", "500");

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain("Nothing was changed");
    }

    private static int Code(JsonElement failed) => failed.GetProperty("error").GetProperty("code").GetInt32();

    private static void Reboot(Nvmig nvmig)
    {
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        machine.Reboot();
    }
}
