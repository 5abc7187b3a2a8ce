namespace Nvml.Mig.Tests.Cli;

/// <summary>Each mistake gets one clear line, the exit code that scripts expect, and no stack trace.</summary>
public class ErrorTests
{
    [Theory]
    [InlineData("devices")]
    [InlineData("doctor")]
    [InlineData("enable")]
    [InlineData("disable")]
    [InlineData("profiles")]
    [InlineData("placements")]
    [InlineData("create", "1g.5gb")]
    [InlineData("plan", "1g.5gb")]
    [InlineData("list")]
    [InlineData("destroy", "--all")]
    [InlineData("cdi")]
    [InlineData("bench")]
    public void A_mig_device_is_no_gpu_to_any_command(params string[] command)
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "/nowhere/libnvidia-ml.so.1";

        Nvmig.Answer answer = nvmig.RunBare([.. command, "-i", "0,mig-4711"]);

        answer.ExitCode.Should().Be(64, "that comes out before a driver is asked for");
        answer.Complaints.Should().Equal("nvmig: 'mig-4711' is a MIG device, not a GPU. 'nvmig list' shows which GPU it is on.");
    }

    [Fact]
    public void No_nvml_library_on_the_machine()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "/no/such/libnvidia-ml.so.1";

        Fails(
            nvmig.RunBare("devices"),
            12,
            "nvmig: The NVML library could not be loaded (NVML_ERROR_LIBRARY_NOT_FOUND, 12): tried /no/such/libnvidia-ml.so.1 (no such "
                + "file). It comes with the NVIDIA driver*");
    }

    [Fact]
    public void A_library_that_cannot_be_loaded()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "/etc/passwd";

        Fails(nvmig.RunBare("devices"), 12, "nvmig: The NVML library could not be loaded *: tried /etc/passwd (*). *");
    }

    [Fact]
    public void A_library_that_is_not_nvml()
    {
        using Nvmig nvmig = new();
        string other = Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "libSystem.Native.so")[0];
        nvmig.Environment["NVML_LIBRARY_PATH"] = other;

        Fails(
            nvmig.RunBare("devices"),
            13,
            $"nvmig: {other} is not NVML: it has no function nvmlInit_v2 (NVML_ERROR_FUNCTION_NOT_FOUND, 13)*");
    }

    [Fact]
    public void A_relative_library_path()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = "libnvidia-ml.so.1";

        Fails(nvmig.RunBare("devices"), 12, "nvmig: NVML_LIBRARY_PATH is 'libnvidia-ml.so.1', which is not absolute. *");
    }

    [Fact]
    public void Mig_is_disabled()
    {
        using Nvmig nvmig = new();

        Fails(
            nvmig.Run("create", "9"),
            3,
            "nvmig: MIG mode is disabled on GPU 0 (GPU-*): add --enable-mig, or run 'nvmig enable' first. Nothing was changed.");
    }

    [Fact]
    public void An_unknown_profile()
    {
        using Nvmig nvmig = new();

        Fails(
            nvmig.Run("create", "3g.40gb", "--enable-mig"),
            2,
            "nvmig: GPU 0 (GPU-*) has no GPU instance profile '3g.40gb' (NVML_ERROR_INVALID_ARGUMENT, 2). It has: 1g.5gb (19), *, "
                + "7g.40gb (0).");
        nvmig.Run("devices", "--json").Json.GetProperty("gpus")[0].GetProperty("mig").GetProperty("current").GetBoolean()
            .Should().BeFalse("a wrong request is found before MIG mode is touched");
    }

    [Fact]
    public void A_placement_that_the_profile_does_not_have()
    {
        using Nvmig nvmig = new();

        Fails(
            nvmig.Run("create", "9:1", "--enable-mig"),
            2,
            "nvmig: 3g.20gb cannot start at memory slice 1 of GPU 0 (GPU-*) (NVML_ERROR_INVALID_ARGUMENT, 2). Possible starts: 0, 4.");
    }

    [Theory]
    [InlineData("1", 2, "nvmig: There is no GPU 1: this machine has one GPU, 0 (NVML_ERROR_INVALID_ARGUMENT, 2).")]
    [InlineData(
        "GPU-11111111-2222-5333-8444-555555555555",
        6,
        "nvmig: Cannot find the GPU GPU-11111111-2222-5333-8444-555555555555: Not Found (NVML_ERROR_NOT_FOUND, 6, from "
            + "nvmlDeviceGetHandleByUUID).")]
    public void A_gpu_that_is_not_there(string gpu, int exitCode, string message)
    {
        using Nvmig nvmig = new();

        Fails(nvmig.Run("list", "-i", gpu), exitCode, message);
    }

    [Fact]
    public void A_state_file_that_is_not_ours_is_left_untouched()
    {
        using Nvmig nvmig = new();
        File.WriteAllText(nvmig.StateFile, "precious");

        Fails(
            nvmig.Run("devices"),
            29,
            $"nvmig: Simulated machine: {nvmig.StateFile} is not a state file of the NVML stub; it was left untouched.");
        Fails(
            nvmig.Run("simulate", "reset"),
            29,
            $"nvmig: Simulated machine: {nvmig.StateFile} is not a state file of the NVML stub; it was left untouched.");
        File.ReadAllText(nvmig.StateFile).Should().Be("precious");
    }

    [Fact]
    public void A_state_file_that_cannot_be_written()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_STUB_STATE"] = "/proc/nvml-stub-state";

        Fails(
            nvmig.Run("devices"),
            17,
            "nvmig: Simulated machine: cannot create the state file /proc/nvml-stub-state: No such file or directory.");
    }

    [Theory]
    [InlineData(2, "create", "3g.40gb")]
    [InlineData(3, "create", "9")]
    [InlineData(2, "list", "-i", "7")]
    [InlineData(64, "create", "9*0")]
    [InlineData(64, "list", "--no-such-option")]
    public void With_json_every_failure_is_a_document(int exitCode, params string[] arguments)
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.Run([.. arguments, "--json"]);

        answer.ExitCode.Should().Be(exitCode);
        answer.Json.GetProperty("error").GetProperty("code").GetInt32().Should().Be(exitCode);
        answer.Json.GetProperty("error").GetProperty("message").GetString().Should().NotBeEmpty();
    }

    [Fact]
    public void An_argument_that_begins_with_an_at_sign_is_no_file()
    {
        using Nvmig nvmig = new();

        Fails(nvmig.Run("create", "@/etc/hostname"), 64, "nvmig: '@/etc/hostname' is more than a GPU instance to create: *");
    }

    [Theory]
    [InlineData("There is no option '--placment'. Try 'nvmig create --help'.", "create", "--placment", "0:4")]
    [InlineData("There is no option '-x'. Try 'nvmig create --help'.", "create", "9", "-x")]
    [InlineData("There is no option '--al': did you mean '--all'? Try 'nvmig destroy --help'.", "destroy", "--al")]
    [InlineData("There is no option '--outptu': did you mean '--output'? Try 'nvmig cdi --help'.", "cdi", "--outptu", "a.json")]
    [InlineData("There is no option '--anywere': did you mean '--anywhere'? Try 'nvmig plan --help'.", "plan", "+9", "--anywere")]
    [InlineData("There is no option '--dry-rnu': did you mean '--dry-run'? Try 'nvmig apply --help'.", "apply", "+9", "--dry-rnu")]
    [InlineData("There is no option '--jsn=true': did you mean '--json'? Try 'nvmig list --help'.", "list", "--jsn=true")]
    [InlineData("There is no option '--jsn': did you mean '--json'? Try 'nvmig list --help'.", "list", "-i", "--jsn")]
    [InlineData("There is no command 'desroy': did you mean 'destroy'? Try 'nvmig --help'.", "desroy")]
    [InlineData("There is no option '--repetitons': did you mean '--repetitions'? Try 'nvmig bench --help'.", "bench", "--repetitons", "3")]
    [InlineData("There is no command 'model': did you mean 'models'? Try 'nvmig simulate --help'.", "simulate", "model")]
    [InlineData("'0' is one argument too many. Try 'nvmig enable --help'.", "enable", "0")]
    [InlineData(
        "Argument 'json' not recognized. Must be one of: 'nvmig' 'mig-parted' Try 'nvmig export --help'.", "export", "--format", "json")]
    public void A_typo_is_named_with_a_suggestion(string line, params string[] arguments)
    {
        using Nvmig nvmig = new();

        Fails(nvmig.Run(arguments), 64, $"nvmig: {line}");
    }

    [Theory]
    [InlineData("list")]
    [InlineData("list", "--json")]
    [InlineData("profiles")]
    public void Output_that_cannot_be_written(params string[] arguments)
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = Nvmig.Start(
            "/bin/sh",
            ["-c", "exec \"$@\" > /dev/full", "sh", Nvmig.Program, "--simulate", nvmig.Simulate, .. arguments],
            nvmig.Environment);

        Fails(answer, 17, "nvmig: Cannot write: No space left on device");
    }

    [Theory]
    [InlineData("nvmig [command] [options]")]
    [InlineData("nvmig simulate [command] [options]", "simulate")]
    public void Without_a_command_the_help_is_shown(string usage, params string[] arguments)
    {
        using Nvmig nvmig = new();

        nvmig.RunBare(arguments)
            .Should().Match<Nvmig.Answer>(a => a.ExitCode == 64 && a.Error == "" && a.Out.Contains($"Usage:\n  {usage}\n"));
        nvmig.RunBare([.. arguments, "--json"]).Json.GetProperty("error").GetProperty("code").GetInt32().Should().Be(64);
    }

    [Theory]
    [InlineData("create")]
    [InlineData("create", "9,,19")]
    [InlineData("create", "9:x")]
    [InlineData("create", "9*0")]
    [InlineData("create", "9:0*2")]
    [InlineData("create", "9:0:4")]
    [InlineData("destroy")]
    [InlineData("destroy", "two")]
    [InlineData("destroy", "2", "--all")]
    [InlineData("list", "-i", ",")]
    [InlineData("divide")]
    [InlineData("list", "--no-such-option")]
    public void A_wrong_command_line(params string[] arguments)
    {
        using Nvmig nvmig = new();

        Nvmig.Answer answer = nvmig.Run(arguments);

        answer.ExitCode.Should().Be(64);
        answer.Out.Should().BeEmpty();
        answer.Complaints.Should().NotBeEmpty();
        answer.Error.Should().NotContain("   at ");
    }

    private static void Fails(Nvmig.Answer answer, int exitCode, string line)
    {
        answer.ExitCode.Should().Be(exitCode, answer.Error);
        answer.Out.Should().BeEmpty();
        answer.Error.Should().EndWith("\n").And.NotContain("   at ");
        answer.Error.TrimEnd('\n').Split('\n').Should().ContainSingle().Which.Should().Match(line);
    }
}
