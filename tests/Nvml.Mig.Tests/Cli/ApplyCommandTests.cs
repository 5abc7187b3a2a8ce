using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

public class ApplyCommandTests
{
    private const string CreateGpuInstance = "nvmlDeviceCreateGpuInstanceWithPlacement";

    [Fact]
    public void Apply_reports_each_step_and_shows_the_result()
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.Run("apply", "3g.20gb,1g.5gb*3");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().StartWith("GPU 0: applied in 9 steps.\n").And.Contain("│   0 │  2 │ 3g.20gb │ 4:4   │");
        answer.Error.Should().StartWith("GPU 0: enable MIG (1 of 9)\n").And.EndWith("GPU 0: reading back\nGPU 0: applied\n");
        Nvmig.Answer again = nvmig.Run("apply", "3g.20gb,1g.5gb*3");
        again.Should().BeEquivalentTo(new { ExitCode = 0, Out = "GPU 0: unchanged, already as requested.\n", Error = "" });
        nvmig.Run("assert", "1g.5gb*3,3g.20gb").Should().BeEquivalentTo(new { ExitCode = 0, Out = "GPU 0 is as requested.\n" });
    }

    [Fact]
    public void A_dry_run_shows_the_plan_and_changes_nothing()
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.Run("apply", "3g.20gb", "--dry-run");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().Contain("MIG mode is disabled, and enabled first.").And.Contain("create GPU instance 3g.20gb at 4:4");
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\n");
    }

    [Fact]
    public void Refusals_exit_as_plan_does_and_change_nothing()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,19").ExitCode.Should().Be(0);
        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(machine.LibraryPath);
        MigDevice half = session.Devices[0].GetMigDevices().Single(d => d.GpuInstanceId == 2);
        using IDisposable process = machine.StartProcess(half, 4711, "python");

        nvmig.Run("apply", "4g.20gb*2").ExitCode.Should().Be(23);
        Nvmig.Answer inUse = nvmig.Run("apply", "7g.40gb");
        inUse.ExitCode.Should().Be(19);
        inUse.Complaints.Should()
            .Equal("nvmig: GPU 0: GPU instance 2 (3g.20gb at 4:4) is in use by process 4711 (python) and in the way. Nothing was changed.");
        nvmig.Run("apply", "7g.40gb", "--json").Json.GetProperty("gpus")[0].GetProperty("refusal").GetProperty("inTheWay")[0]
            .GetProperty("users")[0].GetProperty("processId").GetInt32().Should().Be(4711);
        nvmig.Run("apply", "3g.21gb").ExitCode.Should().Be(2);
        nvmig.Run("apply", "9,,").ExitCode.Should().Be(64);
        nvmig.Run("apply", "7g.40gb", "--force-in-use", "2", "-i", "0", "--dry-run").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: 1g.5gb:0,3g.20gb:4\n");
    }

    [Fact]
    public void A_failed_apply_is_rolled_back_and_exits_with_the_cause()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,19").ExitCode.Should().Be(0);
        string before = nvmig.Run("list").Out;
        nvmig.Environment["NVML_STUB_FAULTS"] = CreateGpuInstance + "#2=NVML_ERROR_INSUFFICIENT_RESOURCES";

        Nvmig.Answer answer = nvmig.Run("apply", "1g.5gb*5");

        answer.ExitCode.Should().Be(23);
        answer.Complaints.Should().ContainSingle().Which.Should().EndWith("The GPU is as it was before.");
        answer.Out.Should()
            .StartWith(
                "GPU 0: rolled back, as it was before.\n").And.Contain("│ Undone   │").And.Contain(
                    "│ Failed   │ InsufficientResources (23) │").And.EndWith(before);
        JsonElement gpu = nvmig.Run("apply", "1g.5gb*5", "--json").Json.GetProperty("gpus")[0];
        gpu.GetProperty("outcome").GetString().Should().Be("RolledBack");
        gpu.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("outcome").GetString())
            .Should().Contain(["Undone", "Failed", "NotTried"]);
        gpu.GetProperty("error").GetProperty("code").GetInt32().Should().Be(23);
    }

    [Fact]
    public void A_failed_rollback_lists_what_remains_and_can_be_repeated()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,19").ExitCode.Should().Be(0);
        string before = nvmig.Run("list").Out;
        nvmig.Environment["NVML_STUB_FAULTS"] = CreateGpuInstance + "=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.Run("apply", "7g.40gb");
        answer.ExitCode.Should().Be(66);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain(
            "The GPU is not as it was before: GPU instance 7 (1g.5gb at 0:1) is missing. GPU instance 2 (3g.20gb at 4:4) is missing. The "
                + "rollback failed: Cannot create");

        nvmig.Environment["NVML_STUB_FAULTS"] = null;
        nvmig.Run("rollback").ExitCode.Should().Be(0);
        nvmig.Run("list").Out.Should().Be(before);
    }

    [Fact]
    public void Rollback_without_a_journal_is_an_error()
    {
        using Nvmig nvmig = new();

        nvmig.Run("rollback").Should().BeEquivalentTo(new { ExitCode = 6, Error = "nvmig: The journal has nothing to roll back.\n" });
    }

    [Fact]
    public void An_interrupted_apply_is_rolled_back()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9,9").ExitCode.Should().Be(0);
        string before = nvmig.Run("list").Out;
        nvmig.Environment["NVML_STUB_LATENCY"] = "hardware";

        Nvmig.Answer answer = nvmig.Interrupt("INT", "(1 of ", "apply", "1g.5gb*7");

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Error.Should()
            .Contain(
                "rolling back: create compute instance 0 (3g.20gb) in GPU instance").And.EndWith(
                    "nvmig: GPU 0: It was cancelled. The GPU is as it was before.\n");
        nvmig.Run("list").Out.Should().Be(before);
    }

    [Fact]
    public void Assert_says_what_differs()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("assert", "9").Complaints.Should().StartWith("nvmig: GPU 0: MIG mode is Disabled, not Enabled.");
        nvmig.Run("apply", "9,19", "-i", "0").ExitCode.Should().Be(0);
        nvmig.Run("apply", "9", "-i", "1").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("assert", "9");

        answer.ExitCode.Should().Be(65);
        answer.Out.Should().Be("GPU 1 is as requested.\n");
        answer.Error.Should().Be("nvmig: GPU 0: GPU instance 7 (1g.5gb at 0:1) is there and should not be.\n");
        JsonElement gpus = nvmig.Run("assert", "9,19", "--json").Json.GetProperty("gpus");
        gpus.EnumerateArray().Select(g => g.GetProperty("holds").GetBoolean()).Should().Equal(true, false);
        gpus[1].GetProperty("differences")[0].GetString().Should().Be("GPU instance 1g.5gb at 0:1 is missing.");
        nvmig.Run("assert", "--", "+9").ExitCode.Should().Be(64);
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        nvmig.Run("disable", "-i", "1").ExitCode.Should().Be(19);
        nvmig.Run("destroy", "--all", "-i", "1").ExitCode.Should().Be(0);
        nvmig.Run("disable", "-i", "1").ExitCode.Should().Be(0);
        using IDisposable job = simulator.StartProcess(1, 4711, "train");
        nvmig.Run("assert", "9", "-i", "1")
            .Should().Match<Nvmig.Answer>(a => a.ExitCode == 65, "who asks whether it is so need not be able to change it");
        nvmig.Run("assert", "3g.21gb").ExitCode.Should().Be(2);
    }

    [Fact]
    public void An_exported_layout_makes_the_same_elsewhere()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Run("apply", "9:4/2c/1c,14:0,19:2/none", "-i", "0").ExitCode.Should().Be(0);

        JsonElement gpus = nvmig.Run("export", "--json").Json.GetProperty("gpus");

        string layout = gpus[0].GetProperty("layout").GetString()!;
        layout.Should().Be("2g.10gb:0,1g.5gb:2/none,3g.20gb:4/2c:0/1c:2");
        nvmig.Run("export").Out.Should().Be($"GPU 0: {layout}\nGPU 1: none\n");
        nvmig.Run("apply", layout, "-i", "1").ExitCode.Should().Be(0);
        nvmig.Run("export", "--json").Json.GetProperty("gpus")[1].GetProperty("layout").GetString().Should().Be(layout);
        nvmig.Run("assert", layout).ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_gpu_is_reset_only_on_request_through_nvidia_smi()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");
        using TemporaryFolder folder = new();
        File.WriteAllText(
            folder.File("nvidia-smi"), "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\necho 'not in a virtual machine'\nexit 3\n");
        File.SetUnixFileMode(folder.File("nvidia-smi"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        nvmig.Environment["PATH"] = $"{folder.Path}:{Environment.GetEnvironmentVariable("PATH")}";

        nvmig.Run("apply", "9").ExitCode.Should().Be((int)NvmlReturnCode.ResetRequired);
        File.Exists(folder.File("asked")).Should().BeFalse();

        Nvmig.Answer answer = nvmig.Run("apply", "9", "--reset-gpu");
        answer.ExitCode.Should().Be(3);
        answer.Complaints.Should().ContainSingle().Which.Should()
            .Match("*'nvidia-smi --gpu-reset -i GPU-* ended with exit code 3: not in a virtual machine The GPU is as it was before.");
        File.ReadAllText(folder.File("asked")).Should().MatchRegex("^--gpu-reset -i GPU-[0-9a-f-]{36}\n$");
    }

    /// <summary>It may run as root, and the current folder may be anybody's.</summary>
    [Fact]
    public void Nvidia_smi_in_the_current_folder_is_not_run()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("nvidia-smi"), "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\n");
        File.SetUnixFileMode(folder.File("nvidia-smi"), UnixFileMode.UserRead | UnixFileMode.UserExecute);

        Nvmig.Answer answer = Nvmig.Start(
            Nvmig.Program,
            ["--simulate", "A100-SXM4-40GB+vm", "apply", "9", "--reset-gpu"],
            new Dictionary<string, string?> { ["NVML_STUB_STATE"] = folder.File("machine"), ["PATH"] = "/usr/bin:/bin" },
            folder.Path);

        answer.ExitCode.Should().Be(6, answer.Error);
        File.Exists(folder.File("ran")).Should().BeFalse();
    }

    [Fact]
    public void Resetting_a_simulated_machine_deletes_its_journal()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);

        nvmig.Run("simulate", "reset").ExitCode.Should().Be(0);

        nvmig.Run("rollback").ExitCode.Should().Be(6);
    }
}
