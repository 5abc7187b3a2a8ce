using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Readme;

/// <summary>The README does what it says: its programs compile and run, its commands work on the simulated machine.</summary>
public class ReadmeTests
{
    private const string FromClone = "dotnet run --project src/Nvml.Mig.Cli -- ";

    /// <summary>Lines that a test does not run: they would run the tests in the tests, or install something.</summary>
    private static readonly string[] NotRun = ["dotnet test", "dotnet pack ", "dotnet tool install "];

    [Fact]
    public void Its_shell_lines_work_and_print_what_it_shows()
    {
        using Nvmig nvmig = new();
        List<string> run = [];
        foreach ((string code, string? output) in Blocks("sh"))
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
                Lines(printed).Should().Equal(Lines(output), "that is what the README shows");
        }

        run.Should().HaveCountGreaterThan(5);
        run[0].Should().StartWith(FromClone, "the first command needs nothing but the clone");
    }

    [Fact]
    public void Its_programs_compile_and_print_what_it_shows()
    {
        List<(string Code, string? Output)> programs = Blocks("csharp");
        programs.Should().NotBeEmpty();
        foreach ((string code, string? output) in programs)
        {
            using TemporaryFolder folder = new();
            File.WriteAllText(folder.File("Program.cs"), code);
            File.WriteAllText(folder.File("Sample.csproj"), $"""
                <Project Sdk="Microsoft.NET.Sdk">
                  <PropertyGroup>
                    <OutputType>Exe</OutputType>
                    <TargetFramework>net10.0</TargetFramework>
                    <Nullable>enable</Nullable>
                    <ImplicitUsings>enable</ImplicitUsings>
                    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                  </PropertyGroup>
                  <ItemGroup>
                    <Reference Include="{AppContext.BaseDirectory}Nvml.Mig.dll" />
                    <Reference Include="{AppContext.BaseDirectory}Nvml.Mig.Configuration.dll" />
                    <Reference Include="{AppContext.BaseDirectory}Nvml.Mig.Simulator.dll" />
                    <Reference Include="{AppContext.BaseDirectory}YamlDotNet.dll" />
                    <Reference Include="{AppContext.BaseDirectory}Microsoft.Extensions.Logging.Abstractions.dll" />
                    <None Include="{Nvmig.StubFolder}/libnvidia-ml.so.1" Link="nvml-stub/libnvidia-ml.so.1" CopyToOutputDirectory="PreserveNewest" />
                  </ItemGroup>
                </Project>
                """);

            Nvmig.Answer answer = Nvmig.Start("dotnet", ["run"], new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1" }, folder.Path);

            answer.ExitCode.Should().Be(0, answer.Out + answer.Error);
            if (output is not null)
                Lines(answer.Out).Should().Equal(Lines(output), "that is what the README shows");
        }
    }

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
            environment["NVML_LIBRARY_PATH"] = Path.Combine(Nvmig.StubFolder, "libnvidia-ml.so.1");
        }

        return Nvmig.Start("/bin/sh", ["-c", $"'{Path.Combine(AppContext.BaseDirectory, "nvmig")}' {rest}"], environment);
    }

    /// <summary>The blocks of a language, each with the text block that follows it at once, if one does.</summary>
    private static List<(string Code, string? Output)> Blocks(string language)
    {
        List<(string Language, string Text, bool Adjacent)> all = [];
        string? open = null;
        List<string> text = [];
        bool adjacent = false;
        foreach (string line in File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Readme", "README.md")))
        {
            if (open is null && line.StartsWith("```", StringComparison.Ordinal))
            {
                open = line[3..];
                text.Clear();
            }
            else if (open is not null && line == "```")
            {
                all.Add((open, string.Join('\n', text), adjacent));
                open = null;
                adjacent = true;
            }
            else if (open is not null)
            {
                text.Add(line);
            }
            else if (line.Length > 0)
            {
                adjacent = false;
            }
        }

        return [.. all.Select((block, i) => (block.Language, block.Text, Next: all.ElementAtOrDefault(i + 1)))
            .Where(block => block.Language == language)
            .Select(block => (block.Text, block.Next is { Language: "text", Adjacent: true } ? block.Next.Text : null))];
    }

    private static IEnumerable<string> Lines(string text) => text.TrimEnd().Split('\n').Select(line => line.TrimEnd());
}
