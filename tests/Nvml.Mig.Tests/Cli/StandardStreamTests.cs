namespace Nvml.Mig.Tests.Cli;

/// <summary>Standard output or standard error that is closed, full or gone: a change goes on, and the exit code is the change's.</summary>
public class StandardStreamTests
{
    private static readonly string[] Redirections =
        [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full", "2>&1 | head -c 0"];

    public static TheoryData<string> All => new(Redirections);

    [Theory]
    [MemberData(nameof(All))]
    public void Changes_succeed_without_a_reader(string redirection)
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");
        foreach (string command in (string[])[
            "enable", "create 1g.10gb", "create 1g.10gb --json", "destroy --all", "disable", "apply 3g.40gb"])
        {
            Shell(nvmig, command, redirection).Should().Be(0, command);
        }

        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.40gb:4\n", "each of them was done");
    }

    [Theory]
    [MemberData(nameof(All))]
    public void A_failed_change_keeps_its_exit_code(string redirection)
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");
        nvmig.Run("create", "7g.80gb", "--enable-mig").ExitCode.Should().Be(0);

        Shell(nvmig, "create 1g.10gb", redirection).Should().Be(23);
        Shell(nvmig, "destroy 0", redirection).Should().Be(19);
        Shell(nvmig, "disable --json", redirection).Should().Be(19);
    }

    [Theory]
    [InlineData("list", ">&-", 17)]
    [InlineData("devices --json", ">/dev/full", 17)]
    [InlineData("doctor", ">&- 2>&-", 17)]
    [InlineData("lease list", ">/dev/full", 17)]
    [InlineData("profiles", "2>&-", 0)]
    [InlineData("placements", "2>/dev/full", 0)]
    [InlineData("list", "| head -c 0", 0)]
    public void A_command_that_only_prints_fails_if_it_cannot(string command, string redirection, int exitCode)
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");

        Shell(nvmig, command, redirection).Should().Be(exitCode);
    }

    [Fact]
    public void A_closed_stream_writes_into_no_file()
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");
        nvmig.Run("enable").ExitCode.Should().Be(0);

        Shell(nvmig, "create 1g.10gb --json", "<&- >&- 2>&-").Should().Be(0);

        nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").GetArrayLength()
            .Should().Be(1, "the machine's file, which was opened afterwards, has no text in it");
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("NO_COLOR=", true)]
    [InlineData("NO_COLOR=0", false)]
    [InlineData("NO_COLOR=1", false)]
    public void Colors_are_left_out_if_no_color_is_set_and_not_empty(string variable, bool isColored)
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Environment["NO_COLOR"] = null;
        nvmig.Environment["TERM"] = "xterm-256color";

        Nvmig.Answer answer = Nvmig.Start(
            "/usr/bin/script",
            ["-qec", $"env {variable} {Nvmig.Program} --simulate {nvmig.Simulate} doctor", "/dev/null"],
            nvmig.Environment);

        answer.Out.Contains("\u001b[3", StringComparison.Ordinal).Should().Be(isColored);
    }

    /// <summary>The exit code of nvmig, not of what reads its output.</summary>
    private static int Shell(Nvmig nvmig, string command, string redirection) => Nvmig.Start(
        "/bin/bash",
        ["-c", $"{Nvmig.Program} --simulate {nvmig.Simulate} {command} {redirection}; exit ${{PIPESTATUS[0]}}"],
        nvmig.Environment).ExitCode;
}
