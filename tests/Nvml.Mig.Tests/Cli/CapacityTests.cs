using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The doctor finds each way in which capacity of a GPU is lost, and says what to do next.</summary>
public class CapacityTests
{
    [Theory]
    [InlineData("A100-SXM4-40GB", "none", "no-instances", "cannot use this GPU. Create instances")]
    [InlineData("H200", "none", "no-instances", "slurmd and the Kubernetes device plugin")]
    [InlineData("A100-SXM4-40GB", "3g.20gb:4/none,4g.20gb", "unusable-instance", "which no process can use: 2 (3g.20gb). 'nvmig apply'")]
    [InlineData("A30", "2g.12gb:0/none,2g.12gb:2", "unusable-instance", "1 (2g.12gb). 'nvmig apply'")]
    [InlineData("A100-SXM4-40GB", "3g.20gb:4/1c,4g.20gb", "uncovered-slices", "covers: 2 (3g.20gb: 2 of 3).")]
    [InlineData("H100-SXM5-80GB", "7g.80gb/3c/2c", "uncovered-slices", "covers: 0 (7g.80gb: 2 of 7).")]
    [InlineData("A100-SXM4-40GB", "3g.20gb*2", "lost-slices", "No instance can use 1 of 7 compute slices, as the instances stand: 1 (3g")]
    [InlineData("H200", "3g.71gb:0", "lost-slices", "1 of 7 compute slices, as")]
    [InlineData("H100-SXM5-80GB", "1g.10gb*7", "lost-slices", "1 of 8 memory slices")]
    [InlineData("A100-SXM4-40GB", "3g.20gb:4,1g.5gb:3", null, null)]
    [InlineData("A100-SXM4-40GB", "7g.40gb", null, null)]
    [InlineData("H100-SXM5-80GB", "3g.40gb:4,1g.10gb*4", null, null)]
    [InlineData("H100-SXM5-80GB", "4g.40gb,3g.40gb", null, null)]
    [InlineData("A30", "1g.6gb*4", null, null)]
    [InlineData("RTX-PRO-6000-Server", "1g.24gb*4", null, null)]
    public void Each_way_is_a_finding(string model, string layout, string? code, string? message)
    {
        using Nvmig nvmig = new(model);
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Run("apply", layout).ExitCode.Should().Be(0);

        JsonElement[] findings = [.. nvmig.Run("doctor", "--json").Json.GetProperty("findings").EnumerateArray()
            .Where(f => f.GetProperty("code").GetString() != "driver-quirks")];

        findings.Select(f => f.GetProperty("code").GetString()).Should().Equal(code is null ? [] : [code]);
        if (message is not null)
            nvmig.Run("doctor").Out.Should().Contain(message).And.Contain(findings[0].GetProperty("message").GetString());
    }

    [Theory]
    [InlineData("RTX-PRO-6000-Server", "display-mode")]
    [InlineData("RTX-PRO-6000-Workstation", "display-mode")]
    [InlineData("A30", null)]
    [InlineData("T4", null)]
    public void A_board_without_its_mig_mode_may_be_in_display_mode(string model, string? code)
    {
        using Nvmig nvmig = new(model);
        const string noMode = "nvmlDeviceGetMigMode=NVML_ERROR_NOT_SUPPORTED";

        JsonElement report = nvmig.RunWithFaults(noMode, "doctor", "--json").Json;
        Nvmig.Answer enable = nvmig.RunWithFaults(noMode, "enable", "-i", "0");

        report.GetProperty("findings").EnumerateArray().Any(f => f.GetProperty("code").GetString() == "display-mode")
            .Should().Be(code is not null);
        enable.ExitCode.Should().Be(3);
        enable.Error.Contains("displaymodeselector", StringComparison.Ordinal).Should().Be(code is not null);
    }
}
