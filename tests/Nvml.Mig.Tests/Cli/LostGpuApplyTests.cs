using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>One GPU of four does not answer. The others are worked on, and it is named; it counts if it was asked for.</summary>
public class LostGpuApplyTests
{
    private const int IsLost = (int)NvmlReturnCode.GpuIsLost;
    private const string Empty = "GPU 0: none\nGPU 2: none\nGPU 3: none\n";

    private const string Layouts = """
        version: v1
        mig-configs:
          two:
          - devices: [0, 2]
            mig-enabled: true
            mig-devices:
              3g.20gb: 2
          all:
          - devices: all
            mig-enabled: true
            mig-devices:
              3g.20gb: 2
          kind:
          - devices: all
            device-filter: "0x20B010DE"
            mig-enabled: true
            mig-devices:
              3g.20gb: 2
        """;

    [Fact]
    public void A_layout_for_other_gpus_is_applied()
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run("apply", "-f", Write(nvmig, Layouts), "-c", "two");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Complaints.Should().HaveCount(2);
        answer.Complaints[0].Should().Match("nvmig: GPU 1: the layout does not cover it: it stays as it is. It cannot be read: *lost*");
        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:0,3g.20gb:4\nGPU 2: 3g.20gb:0,3g.20gb:4\nGPU 3: none\n");
        nvmig.Run("plan", "-f", Write(nvmig, Layouts), "-c", "two").ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData("all")]
    [InlineData("kind")]
    public void A_layout_for_it_too_is_applied_to_the_rest(string label)
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run("apply", "-f", Write(nvmig, Layouts), "-c", label, "--json");

        answer.ExitCode.Should().Be(IsLost, answer.Error);
        answer.Complaints.Should().ContainSingle().Which.Should().StartWith("nvmig: GPU 1: Cannot find GPU 1: GPU is lost");
        Outcomes(answer).Should().Equal("Applied", "Refused", "Applied", "Applied");
        Code(answer.Json).Should().Be(IsLost);
        Code(answer.Json.GetProperty("gpus")[1]).Should().Be(IsLost);
        answer.Json.GetProperty("gpus")[1].GetProperty("uuid").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public void A_layout_on_the_command_line_is_applied_to_the_rest()
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run("apply", "7g.40gb");

        answer.ExitCode.Should().Be(IsLost, answer.Error);
        answer.Out.Should().Contain("GPU 0: applied in 2 steps.\nGPU 1: refused, nothing was changed.\nGPU 2: applied in 2 steps.\n");
    }

    [Theory]
    [InlineData("apply", "7g.40gb")]
    [InlineData("apply", "7g.40gb", "--dry-run")]
    [InlineData("plan", "7g.40gb")]
    [InlineData("assert", "none")]
    [InlineData("export")]
    [InlineData("export", "--format", "nvmig")]
    public void With_i_for_the_others_it_does_not_count(params string[] arguments)
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run([.. arguments, "-i", "0,2"]);

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Complaints.Should().BeEmpty();
    }

    [Theory]
    [InlineData("GPU 0: none\n", "export")]
    [InlineData("- devices: [0, 2, 3]\n", "export", "--format", "mig-parted")]
    [InlineData("GPU 0 is as requested.\nGPU 2 is", "assert", "none")]
    [InlineData("create GPU instance 7g.40gb", "plan", "7g.40gb")]
    [InlineData("create GPU instance 7g.40gb", "plan", "7g.40gb", "--anywhere")]
    [InlineData("create GPU instance 7g.40gb", "apply", "7g.40gb", "--dry-run")]
    public void Commands_that_read_show_the_others(string shown, params string[] arguments)
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run(arguments);

        answer.ExitCode.Should().Be(IsLost, answer.Error);
        answer.Out.Should().Contain(shown);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain("GPU 1").And.Contain("lost");
    }

    [Theory]
    [InlineData("plan", "7g.40gb")]
    [InlineData("assert", "none")]
    [InlineData("export")]
    public void The_json_has_an_entry_with_its_error(params string[] arguments)
    {
        using Nvmig nvmig = Start();

        JsonElement document = nvmig.Run([.. arguments, "--json"]).Json;

        document.GetProperty("gpus").EnumerateArray().Select(gpu => gpu.GetProperty("error").ValueKind == JsonValueKind.Null)
            .Should().Equal(true, false, true, true);
        Code(document.GetProperty("gpus")[1]).Should().Be(IsLost);
        Code(document).Should().Be(IsLost);
    }

    [Fact]
    public void All_or_nothing_changes_nothing()
    {
        using Nvmig nvmig = Start();

        nvmig.Run("apply", "7g.40gb", "--all-or-nothing").ExitCode.Should().Be(IsLost);
        nvmig.Run("apply", "-f", Write(nvmig, Layouts), "-c", "kind", "--all-or-nothing").ExitCode.Should().Be(IsLost);

        nvmig.Run("export").Out.Should().Be(Empty);
    }

    [Fact]
    public void An_impossible_layout_is_still_refused_for_all()
    {
        using Nvmig nvmig = Start();

        Nvmig.Answer answer = nvmig.Run("apply", "7g.40gb*2", "--json");

        answer.ExitCode.Should().Be((int)NvmlReturnCode.InsufficientResources);
        Outcomes(answer).Should().Equal("Refused", "Refused", "Refused", "Refused");
    }

    [Fact]
    public void A_rollback_takes_back_the_others()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*4");
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        nvmig.Run("apply", "7g.40gb").ExitCode.Should().Be(0);
        Lose(nvmig);

        Nvmig.Answer named = nvmig.Run("rollback", "-i", "0,1");
        named.ExitCode.Should().Be(IsLost, named.Error);
        named.Out.Should().StartWith("GPU 0: rolled back in 2 steps.\n");
        nvmig.Run("rollback", "-i", "2").ExitCode.Should().Be(0);
        nvmig.Run("rollback").ExitCode.Should().Be(IsLost);
        nvmig.Run("export").Out.Should().Be(Empty);

        using NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        machine.ResetGpu(1);
        nvmig.Run("rollback").ExitCode.Should().Be(0, "it is still in the journal");
        nvmig.Run("export").Out.Should().Be("GPU 0: none\nGPU 1: none\nGPU 2: none\nGPU 3: none\n");
    }

    [Fact]
    public void A_file_may_name_it_by_its_uuid()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*4");
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        string uuid = nvmig.Run("devices", "--json").Json.GetProperty("gpus")[1].GetProperty("uuid").GetString()!;
        Lose(nvmig);
        string file = Write(nvmig, $"nvmig: v1\nlayouts:\n  a:\n  - gpus: [0, {uuid}]\n    layout: 7g.40gb\n");

        Nvmig.Answer answer = nvmig.Run("apply", "-f", file);

        answer.ExitCode.Should().Be(IsLost, answer.Error);
        nvmig.Run("export").Out.Should().Be("GPU 0: 7g.40gb:0\nGPU 2: none\nGPU 3: none\n");
        string wrong = Write(nvmig, "nvmig: v1\nlayouts:\n  a:\n  - gpus: [0, 7]\n    layout: 7g.40gb\n");
        nvmig.Run("apply", "-f", wrong).ExitCode.Should().Be(64, "an index says enough");
    }

    [Theory]
    [InlineData("nvmlDeviceGetGpuInstances")]
    [InlineData("nvmlDeviceGetComputeRunningProcesses_v3")]
    [InlineData("nvmlDeviceGetGpuInstancePossiblePlacements_v2")]
    public void A_gpu_of_which_a_part_cannot_be_read_is_refused_alone(string function)
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3");
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = $"{function}@1=NVML_ERROR_NO_PERMISSION";

        Nvmig.Answer answer = nvmig.Run("apply", "7g.40gb", "--json");

        answer.ExitCode.Should().Be((int)NvmlReturnCode.NoPermission, answer.Error);
        Outcomes(answer).Should().Equal("Applied", "Refused", "Applied");
    }

    private static Nvmig Start()
    {
        Nvmig nvmig = new("A100-SXM4-40GB*4");
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        Lose(nvmig);
        return nvmig;
    }

    private static void Lose(Nvmig nvmig)
    {
        nvmig.Environment["NVML_STUB_FAULTS"] = (NvmlFault.LoseGpu("nvmlDeviceGetMigMode") with { Gpu = 1 }).ToString();
        nvmig.Run("devices").ExitCode.Should().Be(IsLost);
        nvmig.Environment["NVML_STUB_FAULTS"] = null;
    }

    private static IEnumerable<string?> Outcomes(Nvmig.Answer answer) =>
        answer.Json.GetProperty("gpus").EnumerateArray().Select(gpu => gpu.GetProperty("outcome").GetString());

    private static int Code(JsonElement failed) => failed.GetProperty("error").GetProperty("code").GetInt32();

    private static string Write(Nvmig nvmig, string text)
    {
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
