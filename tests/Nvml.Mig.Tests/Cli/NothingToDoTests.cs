using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>Where there is nothing to do, that is a success, and a GPU that is left out is named.</summary>
public class NothingToDoTests
{
    private const string Off = """
        version: v1
        mig-configs:
          all-disabled:
          - devices: all
            mig-enabled: false
        """;

    [Theory]
    [InlineData("apply")]
    [InlineData("apply", "--dry-run")]
    [InlineData("apply", "--all-or-nothing")]
    [InlineData("apply", "-i", "0")]
    [InlineData("plan")]
    [InlineData("plan", "-i", "0")]
    [InlineData("assert")]
    public void A_gpu_without_mig_is_as_all_disabled_says(params string[] command)
    {
        using Nvmig nvmig = new("T4");

        Nvmig.Answer answer = nvmig.Run([.. command, "-f", Write(nvmig, Off), "-c", "all-disabled"]);

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().Be(command[0] == "assert" ? "GPU 0 is as requested.\n" : "Nothing to do.\n");
        if (command[0] != "assert")
            answer.Complaints.Should().Equal("nvmig: GPU 0: a Tesla T4 cannot be divided: there is nothing to do.");
        JsonElement document = nvmig.Run([.. command, "-f", Write(nvmig, Off), "--json"]).Json;
        document.GetProperty("error").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Theory]
    [InlineData("mig-parted")]
    [InlineData("nvmig")]
    public void A_machine_without_mig_is_exported_as_a_file(string format)
    {
        using Nvmig nvmig = new("T4*2");

        Nvmig.Answer answer = nvmig.Run("export", "--format", format);

        answer.ExitCode.Should().Be(0, answer.Error);
        string file = Write(nvmig, answer.Out);
        nvmig.Run("assert", "-f", file).ExitCode.Should().Be(0);
        nvmig.Run("apply", "-f", file).ExitCode.Should().Be(0);
        nvmig.Run("export", "--format", format, "-i", "1").ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_gpu_without_an_entry_is_named()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB,T4,A100-SXM4-40GB");
        string file = Write(nvmig, "nvmig: v1\nlayouts:\n  a:\n  - gpus: [0]\n    layout: none\n");

        foreach (string command in (string[])["plan", "apply"])
        {
            Nvmig.Answer answer = nvmig.Run(command, "-f", file);

            answer.ExitCode.Should().Be(0, answer.Error);
            answer.Complaints.Should().Equal(
                "nvmig: GPU 1: the layout does not cover it: it stays as it is.",
                "nvmig: GPU 2: the layout does not cover it: it stays as it is.");
        }

        nvmig.Run("apply", "-f", file, "-i", "2").Should().Match<Nvmig.Answer>(a => a.ExitCode == 0 && a.Out == "Nothing to do.\n");
        nvmig.Run("export", "--format", "mig-parted").Out.Should().Contain("[1, 2]").And.Contain("mig-enabled: false");
    }

    [Fact]
    public void Repeated_changes_of_mode_and_layout_do_nothing()
    {
        using Nvmig nvmig = new();
        string file = Write(nvmig, Off);

        nvmig.Run("apply", "-f", file).Should().BeEquivalentTo(new { ExitCode = 0, Out = "GPU 0: unchanged, already as requested.\n" });
        nvmig.Run("plan", "-f", file).Out.Should().Contain("Nothing to do: already as requested.");
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        nvmig.Run("apply", "none", "--json").Json.GetProperty("gpus")[0].GetProperty("outcome").GetString().Should().Be("Unchanged");
    }

    private static string Write(Nvmig nvmig, string text)
    {
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
