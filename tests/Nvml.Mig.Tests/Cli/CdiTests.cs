using System.Text.Json;
using Nvml.Mig.Host;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Cli;

public class CdiTests
{
    [Fact]
    public void All_mig_devices_of_the_machine_are_in_the_specification()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2,T4");
        nvmig.Run("create", "3g.20gb,1g.5gb*2", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("cdi");

        answer.ExitCode.Should().Be(0, answer.Error);
        CdiRules.Check(answer.Json);
        Names(answer.Json).Should().BeEquivalentTo([.. Uuids(nvmig), "0:0", "0:1", "0:2", "1:0", "1:1", "1:2"]);
        Nodes(answer.Json, "1:0").Should().Equal("/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap156", "/dev/nvidia-caps/nvidia-cap157");
        nvmig.Run("cdi", "--json").Out.Should().Be(answer.Out, "it is JSON anyway");
    }

    [Fact]
    public void One_gpu_or_one_device_can_be_chosen()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("create", "3g.20gb*2", "--enable-mig").ExitCode.Should().Be(0);
        string[] uuids = Uuids(nvmig);

        Names(nvmig.Run("cdi", "-i", "1").Json).Should().BeEquivalentTo(["1:0", "1:1", uuids[2], uuids[3]]);
        Names(nvmig.Run("cdi", uuids[3]).Json).Should().Equal("1:1", uuids[3]);
        Names(nvmig.Run("cdi", uuids[3], $"{uuids[0]},{uuids[3]}").Json).Should().BeEquivalentTo(["0:0", uuids[0], "1:1", uuids[3]]);
        Fails(nvmig.Run("cdi", uuids[3], "-i", "0"), 64, $"nvmig: {uuids[3]} is on GPU 1*, which --gpu does not select.");
    }

    [Fact]
    public void Device_nodes_that_the_host_lacks_are_a_warning()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        using FakeHost host = new();
        host.AddDevices("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-caps/nvidia-cap21");

        Nvmig.Answer some = nvmig.Run("cdi", "--root", host.Root.Folder);
        host.AddDevices("/dev/nvidia-uvm-tools", "/dev/nvidia-caps/nvidia-cap22");
        Nvmig.Answer none = nvmig.Run("cdi", "--root", host.Root.Folder);

        some.ExitCode.Should().Be(0);
        some.Complaints.Should().Equal(
            "nvmig: Warning: these device nodes do not exist, and containers cannot start without them: /dev/nvidia-caps/nvidia-cap22, "
                + "/dev/nvidia-uvm-tools.");
        none.Complaints.Should().BeEmpty();
        some.Out.Should().Be(none.Out).And.NotContain(host.Root.Folder, "the runtime works on the host, where files have their own names");
    }

    [Fact]
    public void The_numbers_are_those_of_the_hosts_driver()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        using FakeHost host = new();
        host.WriteFile(MigMinors.FilePath, "gpu0/gi2/access 70\ngpu0/gi2/ci0/access 80\n");

        Nodes(nvmig.Run("cdi", "--root", host.Root.Folder).Json, "0:0")
            .Should().Equal("/dev/nvidia0", "/dev/nvidia-caps/nvidia-cap70", "/dev/nvidia-caps/nvidia-cap80");

        host.WriteFile(MigMinors.FilePath, "gpu0/gi2/access\n");
        Fails(
            nvmig.Run("cdi", "--root", host.Root.Folder),
            17,
            "nvmig: */proc/driver/nvidia-caps/mig-minors, line 1: 'gpu0/gi2/access' is not a name and a number*");
        host.WriteFile(MigMinors.FilePath, "gpu0/gi1/access 12\n");
        Fails(
            nvmig.Run("cdi", "--root", host.Root.Folder),
            17,
            "nvmig: The driver's table of MIG's device numbers has none for gpu0/gi2/access*");
    }

    [Fact]
    public void Numbers_are_not_guessed_on_a_real_machine()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_LIBRARY_PATH"] = Nvmig.Stub;
        nvmig.Environment["NVML_STUB_GPUS"] = nvmig.Simulate;
        using FakeHost host = new();

        Fails(
            nvmig.RunBare("cdi", "--root", host.Root.Folder),
            17,
            $"nvmig: There is no {host.Root}/proc/driver/nvidia-caps/mig-minors, *Load the driver*");
    }

    [Fact]
    public void A_file_is_replaced_in_one_step_and_readable_by_all()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        string file = Path.Combine(nvmig.Folder, "etc/cdi/nvmig.json");

        Nvmig.Answer first = nvmig.Run("cdi", "--output", file);
        nvmig.Run("create", "1g.5gb").ExitCode.Should().Be(0);
        nvmig.Run("cdi", "-o", file).ExitCode.Should().Be(0);

        first.ExitCode.Should().Be(0, first.Error);
        first.Out.Should().BeEmpty();
        File.ReadAllText(file).Should().Be(nvmig.Run("cdi").Out);
        Directory.GetFiles(Path.GetDirectoryName(file)!).Should().Equal([file], "nothing unfinished is left");
        File.GetUnixFileMode(file)
            .Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    [Theory]
    [InlineData("nvmig.json")]
    [InlineData("nvmig.json.tmp")]
    [InlineData("nvmig.json.1.tmp")]
    public void A_planted_link_is_not_followed(string link)
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        string precious = Path.Combine(nvmig.Folder, "precious");
        File.WriteAllText(precious, "precious");
        string file = Path.Combine(nvmig.Folder, "nvmig.json");
        File.CreateSymbolicLink(Path.Combine(nvmig.Folder, link), precious);

        nvmig.Run("cdi", "--output", file).ExitCode.Should().Be(0);

        File.ReadAllText(precious).Should().Be("precious");
        new FileInfo(file).LinkTarget.Should().BeNull();
        File.ReadAllText(file).Should().Be(nvmig.Run("cdi").Out);
    }

    [Fact]
    public void Its_name_before_it_is_whole_cannot_be_guessed()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        string folder = Path.Combine(nvmig.Folder, "cdi");
        Directory.CreateDirectory(folder);
        const string plant = "for i in $(seq $$ $(($$ + 50))); do ln -s /nonexistent/planted cdi/a.json.$i.tmp; done; ";

        Nvmig.Answer answer = Nvmig.Start(
            "/bin/sh",
            ["-c", plant + "exec \"$@\"", "sh", Nvmig.Program, "--simulate", nvmig.Simulate, "cdi", "-o", "cdi/a.json"],
            nvmig.Environment,
            nvmig.Folder);

        answer.ExitCode.Should().Be(0, answer.Error);
        new FileInfo(Path.Combine(folder, "a.json")).LinkTarget.Should().BeNull();
    }

    [Fact]
    public void All_read_it_whatever_the_umask()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Start(
            "/bin/sh",
            ["-c", "umask 077; exec \"$@\"", "sh", Nvmig.Program, "--simulate", nvmig.Simulate, "cdi", "-o", "etc/cdi/a.json"],
            nvmig.Environment,
            nvmig.Folder).ExitCode.Should().Be(0);

        File.GetUnixFileMode(Path.Combine(nvmig.Folder, "etc/cdi/a.json")).Should().HaveFlag(UnixFileMode.OtherRead);
        foreach (string folder in (string[])["etc", "etc/cdi"])
            File.GetUnixFileMode(Path.Combine(nvmig.Folder, folder)).Should().HaveFlag(UnixFileMode.OtherExecute, folder);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_an_error()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        string folder = Path.Combine(nvmig.Folder, "nvmig.json");
        Directory.CreateDirectory(folder);

        Fails(nvmig.Run("cdi", "--output", folder), 17, "nvmig: *nvmig.json*");

        Directory.GetFileSystemEntries(nvmig.Folder).Should().OnlyContain(entry => entry == folder || entry.StartsWith(nvmig.StateFile));
    }

    [Fact]
    public void Without_mig_devices_there_is_nothing_to_specify()
    {
        using Nvmig nvmig = new();

        Fails(nvmig.Run("cdi"), 6, "nvmig: There is no MIG device, and a specification needs one (NVML_ERROR_NOT_FOUND, 6). *");
        nvmig.Run("create", "3g.20gb", "--enable-mig", "--no-compute-instances").ExitCode.Should().Be(0);
        Fails(nvmig.Run("cdi"), 6, "nvmig: There is no MIG device, *");
        Fails(nvmig.Run("cdi", "MIG-00000000-0000-5000-8000-000000000000"), 6, "nvmig: *MIG-00000000-0000-5000-8000-000000000000*");
    }

    [Theory]
    [InlineData("nvmig: 'GPU-1' is not the UUID of a MIG device. *", "GPU-1")]
    [InlineData("nvmig: '0:1' is not the UUID of a MIG device. *", "0:1")]
    [InlineData("nvmig: --root 'host' is not absolute.", "--root", "host")]
    [InlineData("nvmig: --output '/dev/null' does not end in .json: *", "--output", "/dev/null")]
    public void A_wrong_command_line_is_reported(string complaint, params string[] arguments)
    {
        using Nvmig nvmig = new();

        Fails(nvmig.Run(["cdi", .. arguments]), 64, complaint);
    }

    [Fact]
    public void A_gpu_that_is_lost_meanwhile_is_named()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceGetMaxMigDeviceCount#2=lose";

        Nvmig.Answer answer = nvmig.Run("cdi");

        answer.ExitCode.Should().Be(15);
        answer.Complaints[^1].Should().Match("nvmig: *GPU 1*NVML_ERROR_GPU_IS_LOST*");
        Names(answer.Json).Should().HaveCount(2, "GPU 0 has one MIG device, with two names");
    }

    private static void Fails(Nvmig.Answer answer, int exitCode, string complaint)
    {
        answer.ExitCode.Should().Be(exitCode, answer.Error);
        answer.Out.Should().BeEmpty();
        answer.Complaints.Should().ContainSingle().Which.Should().Match(complaint);
    }

    private static IEnumerable<string?> Names(JsonElement specification) =>
        specification.GetProperty("devices").EnumerateArray().Select(device => device.GetProperty("name").GetString());

    private static IEnumerable<string?> Nodes(JsonElement specification, string name) =>
        specification.GetProperty("devices").EnumerateArray().Single(device => device.GetProperty("name").GetString() == name)
            .GetProperty("containerEdits").GetProperty("deviceNodes").EnumerateArray().Select(node => node.GetProperty("path").GetString());

    private static string[] Uuids(Nvmig nvmig) =>
        [.. nvmig.Run("list", "--json").Json.GetProperty("gpus").EnumerateArray()
            .SelectMany(gpu => gpu.GetProperty("gpuInstances").EnumerateArray())
            .SelectMany(instance => instance.GetProperty("computeInstances").EnumerateArray())
            .Select(compute => compute.GetProperty("migUuid").GetString()!)];
}
