using System.Diagnostics;
using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>nvmig run --fraction, as users call it, with the stand-in for MPS. docs/fractions.md has more of it.</summary>
public sealed class FractionCommandTests : IDisposable
{
    private readonly Nvmig _nvmig = new("H100-SXM5-80GB");
    private readonly string _client;

    public FractionCommandTests()
    {
        string control = SimulatedMps.Install(Path.Combine(_nvmig.Folder, "mps"));
        _client = Path.Combine(Path.GetDirectoryName(control)!, "mps-client");
        _nvmig.Environment["NVMIG_MPS_CONTROL"] = control;
        _nvmig.Environment["MPS_STUB_DEVICES"] = Path.Combine(_nvmig.Folder, "devices");
        _nvmig.Run("lease", "policy", "--whole-gpus", "true").ExitCode.Should().Be(0);
    }

    public void Dispose()
    {
        // A test that failed leaves a daemon behind, which would be in the way of the next.
        using Process end = Process.Start("pkill", ["-f", $"^{Path.Combine(_nvmig.Folder, "mps")}/nvidia-cuda-mps"]);
        end.WaitForExit();
        _nvmig.Dispose();
    }

    [Fact]
    public void A_program_gets_its_part()
    {
        Nvmig.Answer answer = _nvmig.Run(
            "run", "--fraction", "0.25", "--mode", "strict", "--", "sh", "-c", $"echo | {_client} 100000");

        answer.Error.Should().Contain("has gpu at");
        answer.Out.Should().Contain(" sm 32 ").And.NotContain("server 0");
        _nvmig.Run("lease", "list").Out.Should().StartWith("No leases.");
    }

    [Fact]
    public void A_list_shows_parts_behind_their_device()
    {
        _nvmig.Run("lease", "acquire", "--fraction", "0.5", "--id", "half").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "acquire", "--fraction", "0.25", "--id", "quarter").ExitCode.Should().Be(0);

        string[] lines = [.. _nvmig.Run("lease", "list").Out.Split('\n').Where(line => line.Contains("default", StringComparison.Ordinal))];

        lines[0].Should().Contain("│ shared-");
        lines[1].Should().Contain("│   half").And.Contain("50% (at most 100%)");
        lines[2].Should().Contain("│   quarter").And.Contain("25% (at most 100%)");
        _nvmig.Run("lease", "release", "half").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "release", "quarter").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "list").Out.Should().StartWith("No leases.");
    }

    [Fact]
    public void Top_shows_parts_behind_their_device()
    {
        _nvmig.Run("lease", "acquire", "--fraction", "0.25", "--id", "quarter").ExitCode.Should().Be(0);

        string[] lines = [.. _nvmig.Run("top", "--once").Out.Split('\n').SkipWhile(l => !l.Contains("GI CI", StringComparison.Ordinal))];
        JsonElement gpu = _nvmig.Run("top", "--json").Json.GetProperty("gpus")[0];

        lines[1].Should().MatchRegex(@"^  0 +gpu +shared-\d+ ");
        lines[2].Should().MatchRegex(@"^ +25-100% +quarter ").And.EndWith(" 0");
        gpu.GetProperty("lease").GetProperty("id").GetString().Should().StartWith("shared-");
        JsonElement part = gpu.GetProperty("fractions")[0];
        part.GetProperty("lease").GetProperty("id").GetString().Should().Be("quarter");
        part.GetProperty("part").GetProperty("computeRequest").GetDecimal().Should().Be(25);
        part.GetProperty("isOverRequest").GetBoolean().Should().BeFalse();
        _nvmig.Run("lease", "release", "quarter").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "list").ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_profile_with_compute_slices_is_a_part()
    {
        _nvmig.Run("enable").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "acquire", "-p", "1c.3g.40gb", "--id", "a").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "acquire", "-p", "1c.3g.40gb", "--id", "b").ExitCode.Should().Be(0);

        _nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").GetArrayLength().Should().Be(1);
        _nvmig.Run("lease", "list").Out.Should().Contain("1 compute slice");
    }

    [Theory]
    [InlineData("enable")]
    [InlineData("apply", "7g.80gb")]
    [InlineData("bench", "-y", "-n", "1")]
    public void A_GPU_that_is_leased_whole_keeps_its_mode(params string[] change)
    {
        _nvmig.Run("lease", "acquire", "-p", "gpu", "--id", "train").ExitCode.Should().Be(0);

        Nvmig.Answer answer = _nvmig.Run(change);

        answer.ExitCode.Should().NotBe(0);
        answer.Error.Should().Contain("is leased whole (train)");
        _nvmig.Run("devices", "--json").Json.GetProperty("gpus")[0].GetProperty("mig").GetProperty("current").GetBoolean()
            .Should().BeFalse();
    }

    [Fact]
    public void Without_MPS_one_sentence_says_so()
    {
        _nvmig.Environment["NVMIG_MPS_CONTROL"] = "/nowhere/nvidia-cuda-mps-control";

        Nvmig.Answer answer = _nvmig.Run("run", "--fraction", "0.25", "--", "true");

        answer.ExitCode.Should().Be(125);
        answer.Error.Should().Contain("There is no program /nowhere/nvidia-cuda-mps-control");
    }

    [Theory]
    [InlineData("over 0 and below 1", "--fraction", "1.5")]
    [InlineData("write fair, strict or equal", "--fraction", "0.5", "--mode", "greedy")]
    [InlineData("needs --fraction or --memory-request", "--compute-limit", "50")]
    [InlineData("7g.80gb cannot be shared so", "-p", "7g.80gb", "--memory-request", "200GiB")]
    [InlineData("of a whole instance, not of 1c.3g.40gb", "-p", "1c.3g.40gb", "--fraction", "0.5")]
    [InlineData("There is no option --id. Put -- before the program.", "--id", "train")]
    public void What_makes_no_sense_is_said(string sentence, params string[] arguments)
    {
        _nvmig.Run("enable").ExitCode.Should().Be(0);

        Nvmig.Answer answer = _nvmig.Run(["run", .. arguments, "--", "true"]);

        answer.ExitCode.Should().BeOneOf(64, 125);
        answer.Error.Should().Contain(sentence);
    }

    [Fact]
    public void Anothers_daemon_is_in_the_way()
    {
        using Nvmig other = new("A100-SXM4-80GB");
        string gpu = other.Run("devices", "--json").Json.GetProperty("gpus")[0].GetProperty("uuid").GetString()!;
        string pipe = Directory.CreateDirectory(Path.Combine(other.Folder, "other")).FullName;
        string control = other.Environment["NVMIG_MPS_CONTROL"] = _nvmig.Environment["NVMIG_MPS_CONTROL"]!;
        other.Run("lease", "policy", "--whole-gpus", "true").ExitCode.Should().Be(0);
        Shell($"{control} -d > /dev/null < /dev/null");

        Nvmig.Answer answer = other.Run("run", "--fraction", "0.25", "--", "true");
        Shell($"echo quit | {control} > /dev/null");

        answer.Error.Should().Contain("An MPS daemon that leasing did not start may serve it (process");

        void Shell(string line)
        {
            ProcessStartInfo start = new("sh", ["-c", line]);
            start.Environment["CUDA_MPS_PIPE_DIRECTORY"] = pipe;
            start.Environment["CUDA_MPS_LOG_DIRECTORY"] = pipe;
            start.Environment["CUDA_VISIBLE_DEVICES"] = gpu;
            using Process process = Process.Start(start)!;
            process.WaitForExit();
        }
    }
}
