using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>One of four GPUs is lost: without <c>-i</c> the others are read and changed, and it is named.</summary>
public class LostGpuTests
{
    private const int Lost = 1;

    [Theory]
    [InlineData("devices")]
    [InlineData("list")]
    [InlineData("profiles")]
    [InlineData("placements")]
    [InlineData("doctor")]
    [InlineData("create", "1g.5gb")]
    [InlineData("destroy", "--all")]
    [InlineData("destroy", "2", "-r")]
    [InlineData("disable")]
    public void The_others_go_on(params string[] command)
    {
        using Nvmig nvmig = Machine();

        Nvmig.Answer answer = nvmig.Run([.. command, "--json"]);

        answer.ExitCode.Should().Be(command[0] == "disable" ? 19 : 15, answer.Error);
        answer.Error.Should().Match(command[0] == "doctor" ? "*" : "*GPU 1*NVML_ERROR_GPU_IS_LOST*");
        JsonElement[] gpus = [.. answer.Json.GetProperty("gpus").EnumerateArray()];
        gpus.Select(gpu => gpu.GetProperty("index").GetInt32()).Should().Equal(0, 1, 2, 3);
        gpus[Lost].GetProperty("error").GetProperty("code").GetInt32().Should().Be(15);
        if (command[0] != "disable")
            gpus.Where((_, i) => i != Lost).Should().OnlyContain(gpu => gpu.GetProperty("error").ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public void Create_divides_the_others()
    {
        using Nvmig nvmig = Machine();

        nvmig.Run("create", "1g.5gb").ExitCode.Should().Be(15);
        nvmig.Run("destroy", "2", "-r").ExitCode.Should().Be(15);

        Counts(nvmig).Should().Equal(1, null, 1, 1);
    }

    [Theory]
    [InlineData("enable", true)]
    [InlineData("disable", false)]
    public void The_modes_of_the_others_are_switched(string command, bool enabled)
    {
        using Nvmig nvmig = Machine();
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(15);
        nvmig.Run(enabled ? "disable" : "enable").ExitCode.Should().Be(15);

        nvmig.Run(command).ExitCode.Should().Be(15);

        nvmig.Run("devices", "--json").Json.GetProperty("gpus").EnumerateArray().Where((_, i) => i != Lost)
            .Should().OnlyContain(gpu => gpu.GetProperty("mig").GetProperty("current").GetBoolean() == enabled);
    }

    [Fact]
    public void Cdi_has_the_devices_of_the_others()
    {
        using Nvmig nvmig = Machine();

        Nvmig.Answer answer = nvmig.Run("cdi");

        answer.ExitCode.Should().Be(15);
        answer.Error.Should().Contain("NVML_ERROR_GPU_IS_LOST");
        answer.Json.GetProperty("devices").EnumerateArray().Select(d => d.GetProperty("name").GetString())
            .Where(name => name!.Contains(':')).Should().Equal("0:0", "2:0", "3:0");
    }

    [Theory]
    [InlineData("create", "1g.5gb")]
    [InlineData("destroy", "--all")]
    [InlineData("disable")]
    [InlineData("cdi")]
    public void A_lost_gpu_that_was_named_changes_nothing(params string[] command)
    {
        using Nvmig nvmig = Machine();

        nvmig.Run([.. command, "-i", "0,1"]).ExitCode.Should().Be(15);

        Counts(nvmig).Should().Equal(1, null, 1, 1);
    }

    [Theory]
    [InlineData("nvmlDeviceCreateGpuInstance", "create", "1g.5gb", new[] { 2, -1, -1, 2 })]
    [InlineData("nvmlGpuInstanceDestroy", "destroy", "--all", new[] { 0, -1, -1, 0 })]
    public void A_gpu_lost_meanwhile_does_not_stop_the_next(string function, string command, string argument, int[] counts)
    {
        using Nvmig nvmig = Machine();

        nvmig.RunWithFaults($"{function}@2=lose", command, argument).ExitCode.Should().Be(15);

        Counts(nvmig).Select(count => count ?? -1).Should().Equal(counts);
    }

    [Fact]
    public void A_wrong_request_changes_none_of_them()
    {
        using Nvmig nvmig = Machine();

        nvmig.Run("destroy", "2", "5", "-r").ExitCode.Should().Be(6);
        nvmig.Run("create", "1g.10gb,3g.40gb").ExitCode.Should().Be(2);

        Counts(nvmig).Should().Equal(1, null, 1, 1);
    }

    /// <summary>Four GPUs with GPU instance 2 each, of which one is lost.</summary>
    private static Nvmig Machine()
    {
        Nvmig nvmig = new("A100-SXM4-40GB*4");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.RunWithFaults($"nvmlDeviceGetMigMode@{Lost}=lose", "list").ExitCode.Should().Be(15);
        return nvmig;
    }

    private static IEnumerable<int?> Counts(Nvmig nvmig) => nvmig.Run("list", "--json").Json.GetProperty("gpus").EnumerateArray()
        .Select(gpu => gpu.GetProperty("gpuInstances"))
        .Select(instances => instances.ValueKind == JsonValueKind.Array ? instances.GetArrayLength() : (int?)null);
}
