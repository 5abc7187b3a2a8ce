using System.Globalization;
using System.Text.Json;
using Nvml.Mig.Host;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The doctor as a user sees it. What it makes of its readings: <see cref="DiagnosisTests"/>.</summary>
public class DoctorTests
{
    private const ulong SysAdmin = 1ul << 21;

    [Fact]
    public void A_gpu_without_obstacles_is_ready()
    {
        using Nvmig nvmig = new("H200");

        Nvmig.Answer answer = nvmig.Run("doctor");

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().MatchRegex(
            """
            (?s)^  Driver      580\.159\.04, NVML 13\.580\.159\.04, CUDA 13\.0, .*
              Functions   all \d+ found
              System      .*, nvmig .*
              Host        not examined, since the machine H200 is simulated: the clients of GPUs and the privileges of .*

            GPU 0  NVIDIA H200  00000000:07:00\.0  GPU-f43c19fe-d882-1716-4d6e-66fe854004e8
              MIG         Disabled, changes without a reset
              Board       Hopper, VBIOS 96\.00\.A5\.00\.1A, virtualization None, persistence mode on
              Memory      0 used of 143771 MiB
              Instances   none
              Processes   none
              Ready for   a change of mode: yes
                          new instances:    no: MIG is disabled
                          destroying:       there is nothing to destroy

            No problem found\.
            note     This driver has 5 known quirks, which are handled: [A-Za-z, ]* \(--json explains them\)\.
            $
            """);
        answer.Error.Should().Be("GPU 0: reading\n");
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
    public void The_json_has_every_reading_and_every_failed_one()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        DateTimeOffset before = DateTimeOffset.UtcNow;

        JsonElement report = nvmig.Run("doctor", "--json").Json;

        report.GetProperty("time").GetDateTimeOffset().Should().BeOnOrAfter(before);
        report.GetProperty("system").GetProperty("simulated").GetString().Should().Be("A100-SXM4-40GB");
        report.GetProperty("host").ValueKind.Should().Be(JsonValueKind.Null, "a simulated machine has none");
        report.GetProperty("driver").GetProperty("libraryFile").GetString()
            .Should().Be(Path.Combine(Path.GetDirectoryName(Nvmig.Program)!, "libnvml-stub.so"));
        report.GetProperty("driver").GetProperty("functions").EnumerateObject()
            .Should().AllSatisfy(f => f.Value.GetBoolean().Should().BeTrue());
        JsonElement gpu = report.GetProperty("gpus")[0];
        gpu.GetProperty("architecture").GetString().Should().Be("Ampere");
        gpu.GetProperty("profiles").GetArrayLength().Should().Be(7);
        gpu.GetProperty("gpuInstances")[0].GetProperty("computeInstances").GetArrayLength().Should().Be(1);
        gpu.GetProperty("unread").EnumerateArray().Select(u => $"{u.GetProperty("what")}: {u.GetProperty("code")}")
            .Should().Contain("utilizationPercent: NotSupported");
        gpu.GetProperty("utilizationPercent").ValueKind.Should().Be(JsonValueKind.Null, "what cannot be read is not 0");
        Readiness(gpu).Should().Be("modeChange False: it has GPU instances: 2; create True: ; destroy True: ");
    }

    [Fact]
    public void Processes_and_health_are_in_the_report()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath))
        using (simulator.StartProcess(session.Devices[0].GetMigDevices()[0], 4711, "train"))
        {
            nvmig.Run("doctor").Out.Should()
                .Contain("Instances   2 (3g.20gb, 1 compute)").And.Contain("Processes   4711 (train) on GPU instance 2")
                .And.Contain("destroying:       no: GPU instance 2 is used by process 4711 (train)");
        }

        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
            simulator.SetHealth(0, persistenceMode: false);
        nvmig.Run("doctor").Out.Should().Contain("persistence mode off");
    }

    [Fact]
    public void A_gpu_in_bad_health_is_found()
    {
        using Nvmig nvmig = new("H200*2");
        nvmig.Run("enable", "-i", "0").ExitCode.Should().Be(0);
        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        {
            simulator.SetHealth(0, persistenceMode: false, rowRemapFailed: true, uncorrectedEccErrors: 3);
            simulator.SetHealth(1, rowRemapPending: true);
        }

        JsonElement report = nvmig.Run("doctor", "--json").Json;

        Codes(report).Should().Equal("row-remap-failed", "no-instances", "no-persistence", "row-remap-pending", "driver-quirks");
        report.GetProperty("gpus")[0].GetProperty("uncorrectedEccErrors").GetInt64().Should().Be(3);
        nvmig.Run("doctor").Out.Should()
            .NotContain("No problem found").And.Contain("\nwarning  GPU 1: A bad memory row is replaced at the next GPU reset.\n");
    }

    [Fact]
    public void A_pending_mode_comes_with_advice()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");
        nvmig.Run("enable").Complaints.Should().ContainSingle().Which.Should()
            .EndWith("Reboot this virtual machine: that resets a GPU that is passed through to it.");

        Nvmig.Answer answer = nvmig.Run("doctor");

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().Contain("MIG         Disabled, Enabled pending, changes with a GPU reset")
            .And.Contain("Ready for   a change of mode: no: it needs a reset of the GPU, and so a reboot of this virtual machine")
            .And.Contain("new instances:    no: MIG is disabled until the GPU is reset")
            .And.Contain("warning  GPU 0: MIG is disabled until the GPU is reset, then enabled. Reboot this virtual machine: that resets "
                + "a GPU that is passed through to it.");
    }

    [Fact]
    public void A_mode_pending_for_a_process_comes_with_advice()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("devices");
        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        using (simulator.StartProcess(0, 4711, "train"))
        {
            nvmig.Run("enable").Complaints.Should().ContainSingle().Which.Should()
                .EndWith("Stop the processes that use it and set the mode again, or reset it with nvidia-smi --gpu-reset, or reboot.");
            nvmig.Run("doctor").Out.Should()
                .Contain("a change of mode: no: it needs a reset of the GPU, which is used by process 4711 (train)");
        }

        nvmig.Run("doctor").Out.Should().Contain("a change of mode: yes");
        nvmig.Run("enable").Out.Should().StartWith("MIG enabled on GPU 0", "it is asked for again, and nothing uses the GPU");
    }

    [Theory]
    [InlineData(
        "A100-SXM4-40GB*2",
        "modeChange False: it needs a reset of the GPU, which is held by dcgm (process 1234, nvidia-dcgm.service); create False: MIG is "
            + "disabled; destroy True: ")]
    [InlineData("H200*2", "modeChange True: ; create False: MIG is disabled; destroy True: ")]
    public void An_open_device_file_prevents_only_a_reset(string machine, string readiness)
    {
        using Nvmig nvmig = new(machine);
        using FakeHost host = RootHost();
        host.AddProcess(
            1234,
            "nv-hostengine",
            "/usr/bin/nv-hostengine",
            "0::/system.slice/nvidia-dcgm.service\n",
            open: ["/dev/nvidiactl", "/dev/nvidia1"]);

        JsonElement report = nvmig.Run("doctor", "--json", "--root", host.Root.Folder).Json;

        report.GetProperty("gpus")[0].GetProperty("readiness").GetProperty("modeChange").GetProperty("ready").GetBoolean()
            .Should().BeTrue();
        Readiness(report.GetProperty("gpus")[1]).Should().Be(readiness);
        Codes(report).Should().Equal("driver-quirks", "holders");
        nvmig.Run("doctor", "--root", host.Root.Folder).Out.Should().Contain("Held by     dcgm (process 1234, nvidia-dcgm.service)");
    }

    [Fact]
    public void An_open_capability_prevents_destroying_its_instance()
    {
        using Nvmig nvmig = new("H200");
        nvmig.Run("create", "3g.71gb", "--enable-mig").ExitCode.Should().Be(0);
        using FakeHost host = RootHost();
        host.AddProcess(1234, "job", open: ["/dev/nvidia0", $"/dev/nvidia-caps/nvidia-cap{MigMinors.Known.GetGpuInstance(0, 2)}"]);

        JsonElement report = nvmig.Run("doctor", "--json", "--root", host.Root.Folder).Json;

        report.GetProperty("host").GetProperty("holders").GetProperty("processes")[0].GetProperty("capabilities")[0].GetString()
            .Should().Be("gpu0/gi2/access");
        Readiness(report.GetProperty("gpus")[0])
            .Should()
            .Be("modeChange False: it has GPU instances: 2; create True: ; destroy False: GPU instance 2 is held by job (process 1234)");
    }

    [Fact]
    public void Missing_privileges_are_one_finding()
    {
        using Nvmig nvmig = new("H200");
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 1000, capabilities: 0);

        Nvmig.Answer answer = nvmig.Run("doctor", "--root", host.Root.Folder);

        answer.Out.Split("This process may not change MIG: it is user 1000 without CAP_SYS_ADMIN").Should().HaveCount(2);
        answer.Out.Should()
            .Contain("\nwarning  This process may not change MIG").And.Contain("a change of mode: no: this process may not change MIG");
    }

    [Fact]
    public void Readings_without_permission_are_unread_and_not_hidden()
    {
        using Nvmig nvmig = new("H200");
        nvmig.Run("create", "3g.71gb", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_PRIVILEGES"] = "none";
        using FakeHost host = RootHost();
        host.AddProcess(1234, "job", open: ["/dev/nvidia0"]);

        Nvmig.Answer answer = nvmig.Run("doctor", "--root", host.Root.Folder);

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().NotContain("NVML does not show").And.Contain("Its device file is open in job (process 1234).")
            .And.Contain("Instances   cannot be read").And.Contain("Processes   cannot be read")
            .And.Contain("a change of mode: unknown: the instances cannot be read; the processes cannot be read")
            .And.Contain("destroying:       unknown: the instances cannot be read; the processes cannot be read")
            .And.MatchRegex("\nwarning  GPU 0: .*NVML_ERROR_NO_PERMISSION");
    }

    [Fact]
    public void With_a_hidden_host_a_reset_is_not_promised()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        using FakeHost container = RootHost();
        container.WriteFile("/proc/2/comm", "bash\n");

        JsonElement report = nvmig.Run("doctor", "--json", "--root", container.Root.Folder).Json;

        Codes(report).Should().Equal("driver-quirks", "host-hidden");
        Readiness(report.GetProperty("gpus")[0]).Should().StartWith("modeChange : not every process of the host can be inspected;");
    }

    [Fact]
    public void A_root_without_a_host_is_a_finding()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");

        Nvmig.Answer answer = nvmig.Run("doctor", "--json", "--root", "/nonexistent");

        answer.ExitCode.Should().Be(0);
        Codes(answer.Json).Should().Equal("host-unread", "host-unread", "driver-quirks");
        Readiness(answer.Json.GetProperty("gpus")[0])
            .Should()
            .StartWith(
                "modeChange : the privileges of this process cannot be read; the processes with its device files open cannot be read;");
    }

    [Fact]
    public void A_malformed_driver_file_is_one_finding()
    {
        using Nvmig nvmig = new("H200");
        using FakeHost host = RootHost();
        host.WriteFile(MigMinors.FilePath, "config 1\nnonsense\n");

        JsonElement report = nvmig.Run("doctor", "--json", "--root", host.Root.Folder).Json;

        Codes(report).Should().Equal("host-unread", "driver-quirks");
        report.GetProperty("findings")[0].GetProperty("message").GetString()
            .Should().EndWith("/mig-minors, line 2: 'nonsense' is not a name and a number, as in 'gpu0/gi1/access 12'.");
    }

    [Fact]
    public void An_unreadable_mode_does_not_end_the_examination()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceGetMigMode=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.Run("doctor", "--json");

        answer.ExitCode.Should().Be(0);
        JsonElement gpu = answer.Json.GetProperty("gpus")[0];
        (gpu.GetProperty("migCapable").ValueKind, gpu.GetProperty("profiles").GetArrayLength(), gpu.GetProperty("error").ValueKind)
            .Should().Be((JsonValueKind.Null, 7, JsonValueKind.Null));
        Codes(answer.Json).Should().Equal("unread", "driver-quirks");
        Readiness(gpu)
            .Should()
            .Be("modeChange : the MIG mode cannot be read; create : the MIG mode cannot be read; destroy : the MIG mode cannot be read");
    }

    [Fact]
    public void Without_a_driver_the_report_says_so()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "/nowhere/libnvidia-ml.so.1";

        Nvmig.Answer answer = nvmig.RunBare("doctor", "--json");

        answer.ExitCode.Should().Be(12);
        answer.Json.GetProperty("driver").ValueKind.Should().Be(JsonValueKind.Null);
        answer.Json.GetProperty("error").GetProperty("code").GetInt32().Should().Be(12);
        Codes(answer.Json).Should().StartWith("nvml-unusable").And.NotContain("no-gpu");
        answer.Json.GetProperty("host").GetProperty("privileges").GetProperty("explanation").GetString()
            .Should().NotBeEmpty("the host is looked at all the same");
        nvmig.RunBare("doctor").ExitCode.Should().Be(12);
    }

    [Fact]
    public void A_gpu_that_does_not_exist_is_an_error()
    {
        using Nvmig nvmig = new("H200");

        Nvmig.Answer answer = nvmig.Run("doctor", "-i", "9", "--json");

        answer.ExitCode.Should().Be(2);
        answer.Out.Should().Be(nvmig.Run("profiles", "-i", "9", "--json").Out);
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
    public void A_gpu_without_mig_is_neither_ready_nor_unready()
    {
        using Nvmig nvmig = new("T4");

        Nvmig.Answer answer = nvmig.Run("doctor");

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().Contain("MIG         not supported").And.NotContain("Ready for").And.NotContain("It does not support MIG");
    }

    [Fact]
    public void An_old_driver_has_its_missing_functions_listed()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = Nvmig.Stub470;
        nvmig.Environment["NVML_STUB_GPUS"] = "A100-SXM4-40GB";

        Nvmig.Answer answer = nvmig.RunBare("doctor", "--json");

        answer.ExitCode.Should().Be(0);
        answer.Json.GetProperty("driver").GetProperty("functions").GetProperty("nvmlDeviceGetGpuInstanceProfileInfoV").GetBoolean()
            .Should().BeFalse();
        answer.Json.GetProperty("gpus")[0].GetProperty("memory").GetProperty("reservedBytes").ValueKind.Should()
            .Be(JsonValueKind.Null, "it does not tell");
        Codes(answer.Json).Should().Contain("older-driver");
    }

    /// <summary>A host with the driver, on which this process is root.</summary>
    private static FakeHost RootHost()
    {
        FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 0, SysAdmin);
        host.AddProcess(4711, "nvmig");
        return host;
    }

    private static string[] Codes(JsonElement report) =>
        [.. report.GetProperty("findings").EnumerateArray().Select(f => f.GetProperty("code").GetString()!)];

    /// <summary><c>modeChange False: why not; create True: ; destroy : what cannot be read</c></summary>
    private static string Readiness(JsonElement gpu) => string.Join(
        "; ", gpu.GetProperty("readiness").EnumerateObject().Select(change => string.Create(
        CultureInfo.InvariantCulture,
        $"{change.Name} {change.Value.GetProperty("ready")}: "
            + $"{string.Join("; ", change.Value.GetProperty("obstacles").EnumerateArray().Select(o => o.GetString()))}")));
}
