using System.Globalization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class HostCommandTests
{
    [Fact]
    public async Task A_program_is_in_a_process_group_of_its_own()
    {
        string[] answer = (await Shell("echo $$; cut -d ' ' -f 5 /proc/$$/stat")).Split('\n');

        answer[1].Should().Be(answer[0], "a Ctrl-C goes to the group of the terminal");
    }

    [Fact]
    public async Task A_program_has_our_environment_and_nothing_to_read()
    {
        (await Shell("echo $PATH")).Trim().Should().Be(Environment.GetEnvironmentVariable("PATH"));
        (await Shell("cat; echo end")).Should().Be("end\n");
    }

    [Fact]
    public async Task A_program_does_not_ignore_sigpipe()
    {
        const long sigpipe = 1 << (13 - 1); // .NET ignores it
        string ignored = (await Shell("sed -n 's/^SigIgn:\\s*//p' /proc/$$/status")).Trim();

        (long.Parse(ignored, NumberStyles.HexNumber, CultureInfo.InvariantCulture) & sigpipe).Should().Be(0);
    }

    [Fact]
    public async Task Much_output_on_both_streams_does_not_block() =>
        (await Shell("seq 1 100000 >&2; seq 1 100000")).Should().EndWith("100000\n");

    [Theory]
    [InlineData("echo wrong >&2; exit 3", 3, "* ended with exit code 3: wrong")]
    [InlineData("kill -TERM $$", null, "* was ended by signal 15, and said nothing.")]
    public async Task The_end_of_a_program_is_told(string script, int? exitCode, string message) =>
        (await FluentActions.Awaiting(() => Shell(script)).Should().ThrowAsync<HostCommandException>().WithMessage(message))
            .Which.ExitCode.Should().Be(exitCode);

    [Fact]
    public async Task A_timeout_kills_the_whole_group()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("child");
        string script = $"sleep 600 & echo $! > {file}; wait";

        await FluentActions.Awaiting(
            () => HostCommand.RunAsync("sh", ["-c", script], TimeSpan.FromMilliseconds(500), CancellationToken.None))
            .Should().ThrowAsync<HostCommandException>().WithMessage("* did not end within 0.5 s, and was killed.");

        int child = int.Parse(File.ReadAllText(file), CultureInfo.InvariantCulture);
        SpinWait.SpinUntil(() => !IsRunning(child), TimeSpan.FromSeconds(10)).Should().BeTrue();
    }

    [Fact]
    public async Task A_missing_program_is_named() =>
        (await FluentActions.Awaiting(() => HostCommand.RunAsync("no-such-program", [], Timeout.InfiniteTimeSpan, CancellationToken.None))
            .Should().ThrowAsync<HostCommandException>().WithMessage("*there is no no-such-program on PATH.")).Which.IsMissing.Should()
            .BeTrue();

    private static Task<string> Shell(string script) =>
        HostCommand.RunAsync("sh", ["-c", script], Timeout.InfiniteTimeSpan, CancellationToken.None);

    /// <summary>A killed process whose new parent has not reaped it is not running.</summary>
    private static bool IsRunning(int process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
