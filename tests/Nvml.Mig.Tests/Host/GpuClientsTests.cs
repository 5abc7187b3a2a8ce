using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class GpuClientsTests
{
    [Fact]
    public void Who_has_device_files_open_is_found_and_who_has_none_is_not()
    {
        using FakeHost host = new();
        host.AddProcess(1, "systemd", "/sbin/init\0");
        host.AddProcess(812, "nv-hostengine", "/usr/bin/nv-hostengine\0-n\0", "0::/system.slice/nvidia-dcgm.service\n",
            open: ["/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap2"]);
        host.AddProcess(
            4000, "python3", "python3\0train.py\0", open: ["/dev/nvidia-uvm"], mapped: ["/usr/lib/libcuda.so.1", "/dev/nvidia3"]);

        GpuClients found = GpuClients.Find(host.Root);

        found.IsComplete.Should().BeTrue();
        found.Clients.Should().BeEquivalentTo(
            [
                new
                {
                    ProcessId = 812,
                    Name = "nv-hostengine",
                    Command = "/usr/bin/nv-hostengine",
                    Files = (string[])["/dev/nvidia-caps/nvidia-cap2", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"],
                    GpuMinors = (int[])[0, 1],
                    Service = (string?)"dcgm",
                    SystemdUnit = (string?)"nvidia-dcgm.service",
                    IsSelf = false,
                },
                new
                {
                    ProcessId = 4000,
                    Name = "python3",
                    Command = "python3",
                    Files = (string[])["/dev/nvidia-uvm", "/dev/nvidia3"],
                    GpuMinors = (int[])[3],
                    Service = (string?)null,
                    SystemdUnit = (string?)null,
                    IsSelf = false,
                },
            ],
            options => options.WithStrictOrdering());
        found.Clients[0].ToString().Should().Be("nv-hostengine (812)");
    }

    [Fact]
    public void Capabilities_are_told_by_their_numbers()
    {
        using FakeHost host = new();
        host.AddProcess(
            10,
            "job",
            open: [
                "/dev/nvidia-caps/nvidia-cap21",
                "/dev/nvidia-caps/nvidia-cap3",
                "/dev/nvidia-caps",
                "/dev/nvidia-caps/nvidia-capital",
                "/dev/nvidia7"]);

        GpuClient holder = GpuClients.Find(host.Root).Clients.Single();

        holder.CapabilityNumbers.Should().Equal(3, 21);
        holder.GpuMinors.Should().Equal(7);
    }

    [Fact]
    public void A_device_file_that_was_deleted_is_still_held()
    {
        using FakeHost host = new();
        host.AddProcess(10, "job", open: ["/dev/nvidia0 (deleted)"]);

        GpuClients.Find(host.Root).Clients.Should().ContainSingle().Which.Files.Should().Equal("/dev/nvidia0");
    }

    [Theory]
    [InlineData("nv-hostengine", "", "dcgm")]
    [InlineData("dcgm-exporter", "/usr/bin/dcgm-exporter\0-f\0", "dcgm-exporter")]
    [InlineData("nvsm_core", "", "nvsm")]
    [InlineData("nvsm_api_gateway", "", "nvsm")]
    [InlineData("nvidia-persistenced", "", "nvidia-persistenced")]
    [InlineData("main", "/usr/bin/nvidia-persistenced\0--verbose\0", "nvidia-persistenced")]
    [InlineData("nv-fabricmanager", "", "nvidia-fabricmanager")]
    [InlineData("nvidia-device-plugin", "", "nvidia-device-plugin")]
    [InlineData("nvidia-smi", "nvidia-smi\0-l\0" + "1\0", "nvidia-smi")]
    [InlineData("nvidia-cuda-mps-server", "", "cuda-mps")]
    [InlineData("Xorg", "/usr/lib/xorg/Xorg\0:0\0", "xorg")]
    [InlineData("python3", "python3\0nvidia-smi\0", null)]
    [InlineData("nvidia-other", "", null)]
    public void Services_are_known_by_program_or_kernel_name(string name, string command, string? service)
    {
        using FakeHost host = new();
        host.AddProcess(10, name, command, open: ["/dev/nvidia0"]);

        GpuClient holder = GpuClients.Find(host.Root).Clients.Single();

        holder.Service.Should().Be(service);
        holder.Command.Should().Be(command.Length == 0 ? null : command.Split('\0')[0]);
    }

    [Theory]
    [InlineData("0::/system.slice/nvsm-core.service\n", "nvsm-core.service")]
    [InlineData("0::/user.slice/user-0.slice/user@0.service/app.slice/job.service/inner\n", "job.service")]
    [InlineData("12:memory:/system.slice/docker-4711.scope\n1:name=systemd:/system.slice/docker-4711.scope\n", "docker-4711.scope")]
    [InlineData("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope")]
    [InlineData("0::/../../system.slice/dcgm.service\n", "dcgm.service")] // from inside a container
    [InlineData("0::/kubepods/pod12/34\n", null)]
    [InlineData("0::/\n", null)]
    [InlineData("", null)]
    public void The_systemd_unit_is_the_innermost(string cgroup, string? unit)
    {
        using FakeHost host = new();
        host.AddProcess(10, "job", cgroup: cgroup, open: ["/dev/nvidia0"]);

        GpuClients.Find(host.Root).Clients.Single().SystemdUnit.Should().Be(unit);
    }

    [Fact]
    public void This_process_is_told_apart()
    {
        using FakeHost host = new();
        host.AddProcess(4711, "nvmig", open: ["/dev/nvidiactl"]);
        host.AddProcess(4712, "nvmig", open: ["/dev/nvidiactl"]);
        host.AddSelf(user: 0, capabilities: 0);

        GpuClients.Find(host.Root).Clients.Select(holder => (holder.ProcessId, holder.IsSelf)).Should().Equal((4711, true), (4712, false));
    }

    [Fact]
    public void Processes_that_cannot_be_looked_into_are_counted()
    {
        using FakeHost host = new();
        host.AddProcess(10, "job", open: ["/dev/nvidia0"]);
        host.AddProcess(11, "secret", open: ["/dev/nvidia0"]);
        host.AddProcess(12, "secret", open: ["/dev/nvidia0"]);
        // Opening a folder is refused as opening a file without the right is, to root too.
        File.Delete(host.Root.Locate("/proc/11/maps"));
        Directory.CreateDirectory(host.Root.Locate("/proc/11/maps"));
        Directory.Delete(host.Root.Locate("/proc/12/fdinfo"), recursive: true);

        GpuClients found = GpuClients.Find(host.Root);

        found.Clients.Select(holder => holder.ProcessId).Should().Equal(10);
        found.UnreadableProcesses.Should().HaveCount(2);
        found.IsComplete.Should().BeFalse();
    }

    [Fact]
    public void Where_the_hosts_processes_are_hidden_the_answer_says_so()
    {
        using FakeHost container = new();
        container.WriteFile("/proc/2/comm", "bash\n");
        container.AddProcess(10, "job", open: ["/dev/nvidia0"]);

        GpuClients found = GpuClients.Find(container.Root);

        (found.SeesWholeHost, found.UnreadableProcesses.Count, found.IsComplete).Should().Be((false, 0, false));
        Directory.Delete(container.Root.Locate("/proc/2"), recursive: true);
        GpuClients.Find(container.Root).SeesWholeHost.Should().BeFalse();
    }

    [Fact]
    public void It_can_be_asked_on_any_machine()
    {
        GpuClients found = GpuClients.Find();

        found.SeesWholeHost.Should().Be(File.Exists("/proc/2/comm") && File.ReadAllText("/proc/2/comm") == "kthreadd\n");
        found.Clients.SelectMany(holder => holder.Files).Should().NotContain(file => !file.StartsWith("/dev/nvidia"));
    }

    [Fact]
    public void A_root_without_processes_is_an_error()
    {
        using TemporaryFolder empty = new();

        FluentActions.Invoking(() => GpuClients.Find(new HostRoot(empty.Path))).Should().Throw<DirectoryNotFoundException>();
    }
}
