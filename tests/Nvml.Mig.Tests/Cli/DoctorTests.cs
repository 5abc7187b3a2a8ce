using System.Text.Json;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Cli;

public class DoctorTests
{
    private const ulong SysAdmin = 1ul << 21;

    [Fact]
    public void A_gpu_with_nothing_in_the_way_is_ready()
    {
        using Nvmig nvmig = new("H200");

        Nvmig.Answer answer = nvmig.Run("doctor");

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().Contain("Driver      580.159.04, NVML 13.580.159.04, CUDA 13.0, ")
            .And.Contain("MIG         Disabled, changes without a reset")
            .And.Contain("Ready       yes, for a change of MIG")
            .And.Contain("note     nvmlDeviceGetGpuInstancePossiblePlacements_v2 writes all placements");
    }

    [Fact]
    public void It_only_reads()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB,H200");
        nvmig.Run("create", "3g.20gb", "--enable-mig", "-i", "0").ExitCode.Should().Be(0);
        byte[] before = File.ReadAllBytes(nvmig.StateFile);

        nvmig.Run("doctor", "--json").ExitCode.Should().Be(0);

        File.ReadAllBytes(nvmig.StateFile).Should().Equal(before);
    }

    [Fact]
    public void The_json_tells_everything_that_can_be_read_and_what_cannot()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);

        JsonElement report = nvmig.Run("doctor", "--json").Json;

        JsonElement gpu = report.GetProperty("gpus")[0];
        gpu.GetProperty("architecture").GetString().Should().Be("Ampere");
        gpu.GetProperty("profiles").GetArrayLength().Should().Be(7);
        gpu.GetProperty("gpuInstances")[0].GetProperty("computeInstances").GetArrayLength().Should().Be(1);
        gpu.GetProperty("unread").EnumerateArray().Select(u => $"{u.GetProperty("what")}: {u.GetProperty("code")}").Should().Contain("utilizationPercent: NotSupported");
        gpu.GetProperty("utilizationPercent").ValueKind.Should().Be(JsonValueKind.Null, "what cannot be read is not 0");
        report.GetProperty("driver").GetProperty("functions").EnumerateObject().Should().AllSatisfy(f => f.Value.GetBoolean().Should().BeTrue());
        report.GetProperty("holders").ValueKind.Should().Be(JsonValueKind.Null, "a simulated machine has no host");
    }

    [Fact]
    public void A_mode_that_waits_for_a_reset_is_found()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");
        nvmig.Run("enable");

        Findings(nvmig).Should().Contain(("Warning", "mode-pending", "MIG is disabled until the GPU is reset, then enabled. A GPU that is passed through to a virtual machine is reset by rebooting that."));
        nvmig.Run("doctor").Out.Should().Contain("Ready       no: MIG is disabled until the GPU is reset");
    }

    [Fact]
    public void A_gpu_instance_that_nothing_can_use_is_found()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig", "--no-compute-instances").ExitCode.Should().Be(0);

        Findings(nvmig).Should().Contain(("Warning", "unusable-instance", "GPU instances without compute instances, which nothing can use: 2 (3g.20gb)."));
    }

    [Fact]
    public void A_holder_that_nvml_does_not_show_is_found_through_its_open_files()
    {
        using Nvmig nvmig = new("H200*2");
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 0, SysAdmin);
        host.AddProcess(1234, "nv-hostengine", "/usr/bin/nv-hostengine", "0::/system.slice/nvidia-dcgm.service\n", open: ["/dev/nvidiactl", "/dev/nvidia1"]);

        Nvmig.Answer answer = nvmig.Run("doctor", "--json", "--root", host.Root.Folder);

        JsonElement[] gpus = [.. answer.Json.GetProperty("gpus").EnumerateArray()];
        gpus.Select(g => g.GetProperty("readyForChange").GetBoolean()).Should().Equal(true, false);
        gpus[1].GetProperty("obstacles")[0].GetString().Should().Be(
            "Held by dcgm (process 1234, nvidia-dcgm.service), which NVML does not show: instances cannot be destroyed, nor MIG mode changed where that takes a reset, until they let go.");
    }

    [Fact]
    public void Missing_privileges_are_found()
    {
        using Nvmig nvmig = new("H200");
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 1000, capabilities: 0);

        Nvmig.Answer answer = nvmig.Run("doctor", "--root", host.Root.Folder);

        answer.Out.Should().Contain("This process may not change MIG: it is user 1000 without CAP_SYS_ADMIN").And.Contain("Ready       no: This process may not change MIG.");
    }

    [Fact]
    public void Without_a_driver_the_report_says_so()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "/nowhere/libnvidia-ml.so.1";

        Nvmig.Answer answer = nvmig.RunBare("doctor", "--json");

        answer.ExitCode.Should().Be(12);
        answer.Json.GetProperty("driver").ValueKind.Should().Be(JsonValueKind.Null);
        answer.Json.GetProperty("findings")[0].GetProperty("code").GetString().Should().Be("nvml-unusable");
        answer.Json.GetProperty("privileges").GetProperty("explanation").GetString().Should().NotBeEmpty("the host is looked at all the same");
    }

    [Fact]
    public void A_lost_gpu_does_not_hide_the_others()
    {
        using Nvmig nvmig = new("H200*3");
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceGetVbiosVersion#2=lose";

        Nvmig.Answer answer = nvmig.Run("doctor", "--json");

        answer.ExitCode.Should().Be(15);
        answer.Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("error").ValueKind)
            .Should().Equal(JsonValueKind.Null, JsonValueKind.Object, JsonValueKind.Null);
        answer.Json.GetProperty("findings")[0].GetProperty("message").GetString().Should().Contain("NVML_ERROR_GPU_IS_LOST");
    }

    [Fact]
    public void On_an_old_driver_it_says_what_is_missing()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = Path.Combine(Nvmig.StubFolder, "470/libnvidia-ml.so.1");
        nvmig.Environment["NVML_STUB_GPUS"] = "A100-SXM4-40GB";

        Nvmig.Answer answer = nvmig.RunBare("doctor", "--json");

        answer.ExitCode.Should().Be(0);
        answer.Json.GetProperty("driver").GetProperty("functions").GetProperty("nvmlDeviceGetGpuInstanceProfileInfoV").GetBoolean().Should().BeFalse();
        answer.Json.GetProperty("gpus")[0].GetProperty("memory").GetProperty("reservedBytes").ValueKind.Should().Be(JsonValueKind.Null, "it does not tell");
        answer.Json.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("code").GetString()).Should().Contain("older-driver");
    }

    private static List<(string Severity, string Code, string Message)> Findings(Nvmig nvmig) =>
        [.. nvmig.Run("doctor", "--json").Json.GetProperty("findings").EnumerateArray().Select(f =>
            (f.GetProperty("severity").GetString()!, f.GetProperty("code").GetString()!, f.GetProperty("message").GetString()!))];
}
