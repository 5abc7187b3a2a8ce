namespace Nvml.Mig.Tests.Cli;

/// <summary>The report of a change: what it costs, and what becomes of the change where nobody can read it.</summary>
public class ApplyReportTests
{
    private const string List = "nvmlDeviceGetGpuInstances";

    [Theory]
    [InlineData("apply", "3g.20gb,1g.5gb")]
    [InlineData("rollback")]
    public void The_table_is_made_of_what_the_change_has_read(params string[] command)
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        string shown = Path.Combine(nvmig.Folder, "shown");
        string json = Path.Combine(nvmig.Folder, "json");

        Nvmig.Answer answer = Trace(shown);
        string list = nvmig.Run("list").Out;
        Trace(json, "--json");

        answer.Out.Should().EndWith(list);
        CountLists(shown).Should().Be(CountLists(json));

        Nvmig.Answer Trace(string file, params string[] more)
        {
            nvmig.Run("apply", "none").ExitCode.Should().Be(0);
            if (command[0] == "rollback")
                nvmig.Run("apply", "9").ExitCode.Should().Be(0);
            nvmig.Environment["NVML_STUB_TRACE"] = file;
            Nvmig.Answer traced = nvmig.Run([.. command, .. more]);
            nvmig.Environment["NVML_STUB_TRACE"] = null;
            traced.ExitCode.Should().Be(0, traced.Error);
            return traced;
        }
    }

    public static TheoryData<string, string> Nowhere
    {
        get
        {
            TheoryData<string, string> all = [];
            foreach (string command in (string[])["apply 7g.40gb", "apply 7g.40gb --json", "rollback --json", "apply none"])
            {
                foreach (string streams in (string[])[">&-", ">/dev/full", "2>&-", "2>/dev/full", ">/dev/full 2>&1", "<&- >&- 2>&-"])
                    all.Add(command, streams);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Nowhere))]
    public void The_exit_code_is_the_changes(string command, string streams)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19").ExitCode.Should().Be(0);
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);

        InShell(nvmig, command, streams).ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().Be(command.Split(' ')[0] == "rollback" ? "GPU 0: 1g.5gb:6\n"
            : command.Contains("none", StringComparison.Ordinal) ? "GPU 0: none\n"
            : "GPU 0: 7g.40gb:0\n");
        File.ReadAllText(Path.Combine(nvmig.StateFile + ".apply", "apply.json")).Should().StartWith("{", "no report is written into it");
        nvmig.Run("rollback").ExitCode.Should().Be(command.StartsWith("rollback", StringComparison.Ordinal) ? 6 : 0, "it is whole");
    }

    [Theory]
    [InlineData(19, "apply 7g.40gb --keep 2 -i 0", ">/dev/full")]
    [InlineData(19, "apply 7g.40gb --keep 2 -i 0", "2>&-")]
    [InlineData(23, "apply 7g.40gb*2", ">&-")]
    [InlineData(23, "plan 7g.40gb*2", ">/dev/full")]
    [InlineData(17, "plan 7g.40gb", ">/dev/full")]
    [InlineData(17, "apply 7g.40gb --dry-run", ">/dev/full")]
    [InlineData(0, "plan 7g.40gb", "2>/dev/full")]
    [InlineData(0, "plan 7g.40gb", "2>&-")]
    public void A_refusal_and_a_plan_have_theirs(int exitCode, string command, string streams)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);

        InShell(nvmig, command, streams).ExitCode.Should().Be(exitCode);

        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\n");
    }

    /// <summary>Name, UUID and bus id are for the report alone.</summary>
    [Theory]
    [InlineData("nvmlDeviceGetName")]
    [InlineData("nvmlDeviceGetPciInfo_v3")]
    public void A_name_that_cannot_be_read_fails_no_change(string function)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = function + "=NVML_ERROR_UNKNOWN";

        nvmig.Run("apply", "7g.40gb").ExitCode.Should().Be(0);
        nvmig.Run("apply", "9", "--json").ExitCode.Should().Be(0);
        nvmig.Run("rollback").ExitCode.Should().Be(0);
        nvmig.Run("plan", "9").ExitCode.Should().Be(0);
    }

    /// <summary>It dies once all is said. Who has read that need not ask again; <see cref="RepeatedChangeTests"/> has the rest.</summary>
    [Fact]
    public void A_change_is_reported_before_the_session_ends()
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "19").ExitCode.Should().Be(0);

        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlShutdown=kill";
        Nvmig.Answer killed = nvmig.Run("apply", "+19", "--json");

        killed.ExitCode.Should().Be(137);
        killed.Json.GetProperty("gpus")[0].GetProperty("outcome").GetString().Should().Be("Applied", "all of it was said");
        nvmig.Environment["NVML_STUB_FAULTS"] = null;
        nvmig.Run("export").Out.Split("1g.5gb").Should().HaveCount(1 + 2);
    }

    private static int CountLists(string trace) =>
        File.ReadLines(trace).Count(line => line.StartsWith(List + " ", StringComparison.Ordinal));

    private static Nvmig.Answer InShell(Nvmig nvmig, string command, string streams)
    {
        nvmig.Environment["NVMIG"] = Nvmig.Program;
        nvmig.Environment["GPUS"] = nvmig.Simulate;
        return Nvmig.Start("/bin/sh", ["-c", $"timeout 60 \"$NVMIG\" --simulate \"$GPUS\" {command} {streams}"], nvmig.Environment);
    }
}
