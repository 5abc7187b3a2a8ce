namespace Nvml.Mig.Tests.Cli;

/// <summary>A mode that waits for a reset or a reboot is said as such, with what to do, by every command.</summary>
public class PendingModeTests
{
    private const string Machine = "A100-SXM4-80GB+vm";

    private const string Notice =
        "MIG is disabled until the GPU is reset, then enabled. Reboot this virtual machine: that resets a GPU that is passed through to "
        + "it.";

    [Theory]
    [InlineData("devices")]
    [InlineData("list")]
    [InlineData("profiles")]
    [InlineData("placements")]
    public void Commands_that_read_notice_it(string command)
    {
        using Nvmig nvmig = Pending();

        Nvmig.Answer text = nvmig.Run(command);
        Nvmig.Answer json = nvmig.Run(command, "--json");

        text.ExitCode.Should().Be(0);
        text.Complaints.Should().Equal($"nvmig: GPU 0: {Notice}");
        json.Json.GetProperty("gpus")[0].GetProperty("notice").GetString().Should().Be(Notice);
        json.Json.GetProperty("gpus")[0].GetProperty("mig").GetProperty("pending").GetBoolean().Should().BeTrue();
    }

    [Fact]
    public void The_doctor_finds_it()
    {
        using Nvmig nvmig = Pending();

        nvmig.Run("doctor").Out.Should().Contain($"warning  GPU 0: {Notice}").And.NotContain("No problem found");
    }

    [Theory]
    [InlineData(3, "create", "1g.10gb")]
    [InlineData(16, "bench", "-n", "1")]
    [InlineData(16, "bench", "--mode-switch")]
    public void Commands_that_need_mig_say_what_is_pending(int exitCode, params string[] command)
    {
        using Nvmig nvmig = Pending();

        Nvmig.Answer answer = nvmig.Run(command);

        answer.ExitCode.Should().Be(exitCode);
        answer.Complaints.Should().ContainSingle().Which.Should().EndWith($"{Notice} Nothing was changed.")
            .And.NotContain("run 'nvmig enable'");
    }

    [Fact]
    public void Enabled_again_it_is_still_pending()
    {
        using Nvmig nvmig = Pending();

        Nvmig.Answer again = nvmig.Run("enable");

        again.ExitCode.Should().Be(0);
        again.Complaints.Should().ContainSingle().Which.Should().StartWith("nvmig: MIG will be enabled on GPU 0 (GPU-")
            .And.Contain("Reboot this virtual machine");
    }

    [Fact]
    public void Disabled_again_nothing_is_pending()
    {
        using Nvmig nvmig = Pending();

        Nvmig.Answer answer = nvmig.Run("disable");

        answer.ExitCode.Should().Be(0);
        answer.Out.Should().Match("MIG stays disabled on GPU 0 (GPU-*) (00000000:07:00.0): no change is pending any more.\n");
        nvmig.Run("list").Complaints.Should().BeEmpty();
    }

    [Fact]
    public void Held_by_a_client_the_advice_is_another()
    {
        using Nvmig nvmig = new("A100-SXM4-80GB");
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using (simulator.HoldGpu(0))
            nvmig.Run("enable").ExitCode.Should().Be(0);

        nvmig.Run("create", "1g.10gb").Complaints.Should().ContainSingle().Which.Should()
            .Contain("Stop the processes that use it and set the mode again, or reset it with nvidia-smi --gpu-reset, or reboot.");
    }

    private static Nvmig Pending()
    {
        Nvmig nvmig = new(Machine);
        nvmig.Run("enable").ExitCode.Should().Be(0);
        return nvmig;
    }
}
