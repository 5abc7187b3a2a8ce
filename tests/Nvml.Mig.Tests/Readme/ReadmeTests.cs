using System.Text.RegularExpressions;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Readme;

/// <summary>
/// The README files and the folder docs are true: their programs compile and run, their commands work on the simulated machine, and
/// their links lead somewhere.
/// </summary>
public partial class ReadmeTests
{
    private const string FromClone = "dotnet run --project src/Nvml.Mig.Cli -- ";

    /// <summary>Lines that a test does not run: they run the tests, or install something.</summary>
    private static readonly string[] NotRun = [
        "dotnet test",
        "dotnet pack",
        "dotnet publish ",
        "dotnet tool install ",
        "sudo dotnet tool install ",
        "dotnet nuget add source ",
        "dotnet add package "];

    public static TheoryData<string> WithCommands =>
        new(
            ReadmeFile.All.Where(file => ReadmeFile.Blocks(file, "sh").Count > 0)
                .Select(file => Path.GetRelativePath(Repository.File("."), file)));

    public static TheoryData<string> LinkedFiles => new(ReadmeFile.Linked.Select(file => Path.GetRelativePath(Repository.File("."), file)));

    [Theory]
    [MemberData(nameof(LinkedFiles))]
    public void Links_lead_to_files_and_headings_that_exist(string file)
    {
        string from = Repository.File(file);
        string[] links = [.. ReadmeFile.Prose(from).SelectMany(line => Link().Matches(line)).Select(link => link.Groups["to"].Value)];
        links.Should().NotBeEmpty();
        foreach (string[] link in links.Where(link => !link.StartsWith("https://", StringComparison.Ordinal))
            .Select(link => link.Split('#')))
        {
            string to = link[0].Length == 0 ? from : Path.Combine(Path.GetDirectoryName(from)!, link[0]);
            Path.Exists(to).Should().BeTrue("{0} links to {1}", file, link[0]);
            if (link.Length > 1)
                ReadmeFile.Prose(to).Where(line => line.StartsWith('#')).Select(Anchor).Should().Contain(link[1], "{0} links to it", file);
        }
    }

    [Fact]
    public void The_first_command_needs_nothing_but_the_clone() =>
        ReadmeFile.Blocks(ReadmeFile.Main, "sh")[0].Code.Should().StartWith(FromClone);

    [Theory]
    [MemberData(nameof(WithCommands))]
    public void Shell_lines_work_and_print_what_is_shown(string file)
    {
        using Nvmig nvmig = new();
        List<string> run = [];
        foreach ((string code, string? output) in ReadmeFile.Blocks(Repository.File(file), "sh"))
        {
            string printed = "";
            foreach (string line in code.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                if (NotRun.Any(start => line.StartsWith(start, StringComparison.Ordinal)))
                    continue;
                Nvmig.Answer answer = RunLine(nvmig, line);
                answer.ExitCode.Should().Be(0, "of '{0}', which said: {1}", line, answer.Error);
                printed += answer.Out;
                run.Add(line);
            }

            if (output is not null)
                ReadmeFile.Lines(printed).Should().Equal(ReadmeFile.Lines(output), "that is what the README shows");
        }

        run.Should().NotBeEmpty();
    }

    /// <summary>The folders in samples.</summary>
    public static TheoryData<string> Samples => new(ReadmeFile.Samples.Keys);

    [Theory]
    [MemberData(nameof(Samples))]
    public void A_sample_prints_what_is_shown(string sample)
    {
        (string code, string? output) = Programs.Should()
            .ContainSingle(program => program.Code == ReadmeFile.Samples[sample], "a document shows the sample").Which;
        DirectoryInfo built = new(AppContext.BaseDirectory); // .../bin/Nvml.Mig.Tests/debug
        string program = Path.Combine(built.Parent!.Parent!.FullName, sample, built.Name, sample);

        Nvmig.Answer answer = Nvmig.Start(program, [], new Dictionary<string, string?>());

        answer.ExitCode.Should().Be(0, answer.Out + answer.Error);
        ReadmeFile.Lines(answer.Out).Should().Equal(ReadmeFile.Lines(output!), "{0} is shown with it", code);
    }

    [Fact]
    public void Programs_compile_and_print_what_is_shown()
    {
        // The others are samples.
        List<(string Code, string? Output)> programs = [.. Programs.Where(program => !ReadmeFile.Samples.Values.Contains(program.Code))];
        programs.Should().NotBeEmpty();
        foreach ((string code, string? output) in programs)
        {
            using TemporaryFolder folder = new();
            string stub = $"""<None Include="{Nvmig.Stub}" CopyToOutputDirectory="PreserveNewest" />""";
            Nvmig.Answer answer = SampleProject.Make(folder, "run", code, stub);

            answer.ExitCode.Should().Be(0, answer.Out + answer.Error);
            if (output is not null)
                ReadmeFile.Lines(answer.Out).Should().Equal(ReadmeFile.Lines(output), "that is what the README shows");
        }
    }

    private static IEnumerable<(string Code, string? Output)> Programs =>
        ReadmeFile.All.SelectMany(file => ReadmeFile.Blocks(file, "csharp")).Distinct();

    [GeneratedRegex(@"\]\((?<to>[^)\s]+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Link();

    /// <summary>GitHub's name of a heading in links.</summary>
    private static string Anchor(string heading) =>
        string.Concat(heading.TrimStart('#').Trim().Where(c => char.IsLetterOrDigit(c) || c is ' ' or '-' or '_')).Replace(' ', '-')
            .ToLowerInvariant();

    /// <summary>
    /// Runs a line in a shell, with the nvmig that was built in place of the one that the line would build or find. A line of the
    /// installed tool's finds the stub for the driver.
    /// </summary>
    private static Nvmig.Answer RunLine(Nvmig nvmig, string line)
    {
        Dictionary<string, string?> environment = new(nvmig.Environment);
        string rest;
        if (line.StartsWith(FromClone, StringComparison.Ordinal))
        {
            rest = line[FromClone.Length..];
            environment["XDG_STATE_HOME"] = nvmig.Folder;
            environment["NVML_STUB_STATE"] = null;
        }
        else
        {
            line.Should().MatchRegex("^(sudo )?nvmig ", "the test knows no other command");
            rest = line[(line.IndexOf("nvmig ", StringComparison.Ordinal) + "nvmig ".Length)..];
            environment["NVML_LIBRARY_PATH"] = Nvmig.Stub;
        }

        return Nvmig.Start("/bin/sh", ["-c", $"'{Nvmig.Program}' {rest}"], environment);
    }
}
