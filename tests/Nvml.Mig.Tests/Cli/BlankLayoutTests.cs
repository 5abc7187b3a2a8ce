namespace Nvml.Mig.Tests.Cli;

/// <summary>A blank layout destroys nothing, in whatever way it comes: the word none asks for that.</summary>
public class BlankLayoutTests
{
    public static TheoryData<string[]> Blank { get; } =
    [
        [""],
        [" "],
        ["\t"],
        ["\n"],
        ["", ""],
        [","],
        ["", "9"],
        ["9,"],
        ["-f", ""],
        ["-f", " "],
        ["-f", "{blank}"],
        ["-f", "{empty}"],
        ["-f", "{null}"],
        ["-f", "{spaces}"],
        ["-f", "{missing}"],
        ["-f", "{none}", "-c", ""],
        ["", "-f", "{none}"],
        ["none", "-i", ""],
    ];

    [Theory]
    [MemberData(nameof(Blank))]
    public void It_is_refused_everywhere(string[] arguments)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);
        Dictionary<string, string> files = new(StringComparer.Ordinal)
        {
            ["{blank}"] = " \n",
            ["{empty}"] = Ours("layout: ''"),
            ["{null}"] = Ours("layout:"),
            ["{spaces}"] = Ours("layout: '  '"),
            ["{missing}"] = "version: v1\nmig-configs:\n  a:\n  - devices: all\n    mig-enabled: true\n",
            ["{none}"] = Ours("layout: none"),
        };
        arguments = [.. arguments.Select(argument => files.TryGetValue(argument, out string? text) ? Write(nvmig, text) : argument)];

        foreach (string command in (string[])["apply", "plan", "assert"])
        {
            Nvmig.Answer answer = nvmig.Run([command, .. arguments]);

            answer.ExitCode.Should().Be(64, $"{command}: {answer.Error}");
            answer.Complaints.Should().ContainSingle();
        }

        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\n");
    }

    [Theory]
    [InlineData(64, "</dev/null")]
    [InlineData(17, "<&-")]
    [InlineData(64, "<\"$BLANK\"")]
    public void Standard_input_without_a_layout_is_refused(int exitCode, string input)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);
        nvmig.Environment["BLANK"] = Write(nvmig, "\n");

        foreach (string command in (string[])["apply", "plan", "assert"])
        {
            Nvmig.Answer answer = InShell(nvmig, $"timeout 60 \"$NVMIG\" --simulate \"$GPUS\" {command} -f - {input}");

            answer.ExitCode.Should().Be(exitCode, $"{command}: {answer.Error}");
            answer.Complaints.Should().ContainSingle();
        }

        nvmig.Run("export").Out.Should().Be("GPU 0: 3g.20gb:4\n");
    }

    [Theory]
    [InlineData("none")]
    [InlineData(" NONE ")]
    [InlineData("-f", "{none}")]
    public void The_word_none_asks_for_it(params string[] arguments)
    {
        using Nvmig nvmig = new();
        nvmig.Run("apply", "9").ExitCode.Should().Be(0);
        string file = Write(nvmig, Ours("layout: none"));

        nvmig.Run(["apply", .. arguments.Select(a => a == "{none}" ? file : a)]).ExitCode.Should().Be(0);

        nvmig.Run("export").Out.Should().Be("GPU 0: none\n");
        InShell(nvmig, $"\"$NVMIG\" --simulate \"$GPUS\" assert -f - <{file}").ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData("apply", "none", "--record-folder", "")]
    [InlineData("rollback", "--record-folder", "")]
    [InlineData("bench", "--record-folder", "", "--yes")]
    public void A_folder_without_a_name_is_refused(params string[] arguments)
    {
        using Nvmig nvmig = new();
        nvmig.Run("enable").ExitCode.Should().Be(0);

        nvmig.Run(arguments).ExitCode.Should().Be(64);
    }

    private static Nvmig.Answer InShell(Nvmig nvmig, string line)
    {
        nvmig.Environment["NVMIG"] = Nvmig.Program;
        nvmig.Environment["GPUS"] = nvmig.Simulate;
        return Nvmig.Start("/bin/sh", ["-c", line], nvmig.Environment);
    }

    private static string Ours(string layout) => $"nvmig: v1\nlayouts:\n  a:\n  - gpus: all\n    {layout}\n";

    private static string Write(Nvmig nvmig, string text)
    {
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(file, text);
        return file;
    }
}
