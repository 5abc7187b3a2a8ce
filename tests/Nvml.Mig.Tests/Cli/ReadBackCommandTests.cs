using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The reports of create, destroy, enable and disable equal the GPU, whatever the calls returned.</summary>
public class ReadBackCommandTests
{
    private const string Model = "H100-SXM5-80GB";

    [Theory]
    [InlineData("nvmlGpuInstanceDestroy", "GPU instance 2")]
    [InlineData("nvmlComputeInstanceDestroy", "compute instance 0 of GPU instance 2")]
    public void Destroying_that_only_returned_success_fails(string function, string remains)
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.RunWithFaults($"{function}=NVML_SUCCESS", "destroy", "--all");

        answer.ExitCode.Should().Be(255, answer.Error);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain($"remains, although {function} returned NVML_SUCCESS");
        answer.Out.Should().Contain($"Not destroyed: {remains}, ");
        Instances(nvmig).Should().Equal(2, 7);
    }

    [Theory]
    [InlineData("nvmlGpuInstanceDestroy:after=NVML_ERROR_TIMEOUT")]
    [InlineData("nvmlGpuInstanceDestroy:after=NVML_ERROR_IN_USE")]
    [InlineData("nvmlComputeInstanceDestroy:after=NVML_ERROR_UNKNOWN")]
    [InlineData("nvmlComputeInstanceDestroy#2:after=NVML_ERROR_NOT_FOUND")]
    public void Destroying_that_failed_and_took_effect_is_done(string fault)
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.RunWithFaults(fault, "destroy", "--all", "--json");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Complaints.Should().NotBeEmpty("the driver's failure is not swallowed");
        Texts(answer, "destroyed").Should().Equal("2/0", "2", "7/0", "7");
        Instances(nvmig).Should().BeEmpty();
    }

    [Fact]
    public void A_destroyed_instance_that_cannot_be_read_is_uncertain()
    {
        using Nvmig nvmig = Divided();
        Nvmig.Answer text = nvmig.RunWithFaults("nvmlGpuInstanceDestroy=lose", "destroy", "--all", "-i", "0");

        text.ExitCode.Should().Be(15, text.Error);
        text.Out.Should().Contain("Uncertain, since it cannot be read: GPU instance 2.");
        text.Out.Should().Contain("destroyed compute instance 0 of GPU instance 2.").And.Contain("Not destroyed: compute instance 0 of");
    }

    [Theory]
    [InlineData("nvmlGpuInstanceGetInfo", "NVML_ERROR_NOT_FOUND")]
    [InlineData("nvmlGpuInstanceGetInfo", "NVML_ERROR_INVALID_ARGUMENT")]
    [InlineData("nvmlComputeInstanceGetInfo_v2", "NVML_ERROR_NOT_FOUND")]
    [InlineData("nvmlComputeInstanceGetInfo_v2", "NVML_ERROR_INVALID_ARGUMENT")]
    [InlineData("nvmlDeviceGetGpuInstances", "NVML_ERROR_INVALID_ARGUMENT")]
    [InlineData("nvmlGpuInstanceGetComputeInstances", "NVML_ERROR_NOT_FOUND")]
    [InlineData("nvmlDeviceGetGpuInstanceProfileInfoV", "NVML_ERROR_INVALID_ARGUMENT")]
    [InlineData("nvmlGpuInstanceGetComputeInstanceProfileInfoV", "NVML_ERROR_INVALID_ARGUMENT")]
    public void Destroy_all_skips_nothing_after_one_refused_read(string function, string code)
    {
        using Nvmig nvmig = Divided();
        for (int nth = 1; nth <= 5; nth++)
        {
            Nvmig.Answer answer = nvmig.RunWithFaults($"{function}#{nth}={code}", "destroy", "--all", "--json");

            (answer.ExitCode == 0).Should().Be(Instances(nvmig).Length == 0, $"call {nth}: {answer.Out}{answer.Error}");
            nvmig.Run("apply", "3g.40gb:4,1g.10gb:0").ExitCode.Should().Be(0);
        }
    }

    [Theory]
    [InlineData("nvmlDeviceCreateGpuInstance:after=NVML_ERROR_UNKNOWN")]
    [InlineData("nvmlDeviceCreateGpuInstance:after=NVML_ERROR_IN_USE")]
    [InlineData("nvmlGpuInstanceCreateComputeInstance:after=NVML_ERROR_TIMEOUT")]
    public void Creating_that_failed_and_took_effect_is_done(string fault)
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.RunWithFaults(fault, "create", "2g.20gb", "--json");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain(" was created, although ");
        JsonElement created = answer.Json.GetProperty("gpus")[0].GetProperty("created");
        created[0].GetProperty("id").GetInt32().Should().Be(4);
        created[0].GetProperty("computeInstances").GetArrayLength().Should().Be(1);
        Instances(nvmig).Should().Equal(2, 4, 7);
    }

    [Theory]
    [InlineData("nvmlDeviceCreateGpuInstance", "nothing was created; failed: creating GPU instance 2g.20gb;")]
    [InlineData(
        "nvmlGpuInstanceCreateComputeInstance",
        "created and left in place: GPU instance 4 (2g.20gb at 2:2); failed: creating a compute instance in GPU instance 4;")]
    public void Creating_that_only_returned_success_fails(string function, string summary)
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.RunWithFaults($"{function}=NVML_SUCCESS", "create", "2g.20gb");

        answer.ExitCode.Should().Be(2, answer.Error);
        answer.Complaints[^1].Should().StartWith($"nvmig: GPU 0: {summary}");
    }

    [Fact]
    public void A_creation_that_cannot_be_read_back_is_uncertain()
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.RunWithFaults("nvmlDeviceCreateGpuInstance:after=lose", "create", "2g.20gb", "--json");

        answer.ExitCode.Should().Be(15);
        Texts(answer, "uncertain").Should().Equal("GPU instance 2g.20gb, since the instances cannot be listed");
        answer.Complaints.Should().Contain(line => line.Contains("nothing was created, as far as is known; uncertain: GPU instance 2g"));
    }

    [Fact]
    public void A_taken_place_is_not_taken_for_our_instance()
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.Run("create", "4g.40gb:0", "--json");

        answer.ExitCode.Should().Be(23);
        answer.Json.GetProperty("gpus")[0].GetProperty("created").GetArrayLength().Should().Be(0);
        Texts(answer, "uncertain").Should().BeEmpty();
    }

    [Theory]
    [InlineData("enable", "NVML_ERROR_UNKNOWN")]
    [InlineData("enable", "NVML_ERROR_IN_USE")]
    [InlineData("disable", "NVML_ERROR_TIMEOUT")]
    public void A_mode_that_was_set_although_the_call_failed_is_set(string command, string code)
    {
        using Nvmig nvmig = new(Model);
        nvmig.Run(command == "enable" ? "disable" : "enable").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.RunWithFaults($"nvmlDeviceSetMigMode:after={code}", command);

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().StartWith($"MIG {command}d on GPU 0");
    }

    [Fact]
    public void A_mode_that_is_as_before_is_not_called_set()
    {
        using Nvmig nvmig = new(Model);

        Nvmig.Answer answer = nvmig.RunWithFaults("nvmlDeviceSetMigMode=NVML_SUCCESS", "enable", "--json");

        answer.ExitCode.Should().Be(255);
        answer.Json.GetProperty("gpus")[0].GetProperty("changed").GetBoolean().Should().BeFalse();
        answer.Json.GetProperty("gpus")[0].GetProperty("uncertain").GetBoolean().Should().BeFalse();
    }

    [Theory]
    [InlineData("NVML_ERROR_UNKNOWN", 255)]
    [InlineData("NVML_ERROR_IN_USE", 19)]
    public void A_mode_that_cannot_be_read_back_is_uncertain(string code, int exitCode)
    {
        using Nvmig nvmig = new(Model);
        const string unread = "nvmlDeviceGetMigMode#2=NVML_ERROR_UNKNOWN;nvmlDeviceGetMigMode#3=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.RunWithFaults($"nvmlDeviceSetMigMode={code};{unread}", "enable", "--json");

        answer.ExitCode.Should().Be(exitCode);
        answer.Json.GetProperty("gpus")[0].GetProperty("uncertain").GetBoolean().Should().BeTrue();
        answer.Complaints.Should().ContainSingle().Which.Should().Contain("It is not known whether the mode changed")
            .And.NotContain("Nothing was changed");
    }

    [Theory]
    [InlineData("create", "1g.10gb")]
    [InlineData("destroy", "7", "-r")]
    [InlineData("enable")]
    public void A_name_that_cannot_be_read_fails_no_change(params string[] command)
    {
        using Nvmig nvmig = Divided();
        if (command[0] == "enable")
        {
            nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
            nvmig.Run("disable").ExitCode.Should().Be(0);
        }

        const string faults = "nvmlDeviceGetName=NVML_ERROR_UNKNOWN;nvmlDeviceGetPciInfo_v3=NVML_ERROR_UNKNOWN";

        nvmig.RunWithFaults(faults, command).ExitCode.Should().Be(0);
    }

    /// <summary>A machine with GPU instances 2 (3g.40gb) and 7 (1g.10gb).</summary>
    private static Nvmig Divided()
    {
        Nvmig nvmig = new(Model);
        nvmig.Run("create", "3g.40gb:4,1g.10gb:0", "--enable-mig").ExitCode.Should().Be(0);
        return nvmig;
    }

    private static string[] Texts(Nvmig.Answer answer, string member) =>
        [.. answer.Json.GetProperty("gpus")[0].GetProperty(member).EnumerateArray().Select(e => e.GetString()!)];

    private static int[] Instances(Nvmig nvmig) =>
        [.. nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray()
            .Select(i => i.GetProperty("id").GetInt32())];
}
