using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Readme;

/// <summary>The README files do what they say: their programs compile and run, their commands work on the simulated machine.</summary>
public class ReadmeTests
{
    private const string FromClone = "dotnet run --project src/Nvml.Mig.Cli -- ";

    /// <summary>Lines that a test does not run: they would run the tests in the tests, or install something.</summary>
    private static readonly string[] NotRun = ["dotnet test", "dotnet pack ", "dotnet tool install "];

    public static TheoryData<string> WithCommands =>
        new(ReadmeFile.All.Where(file => ReadmeFile.Blocks(file, "sh").Count > 0).Select(file => Path.GetRelativePath(Repository.File("."), file)));

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

        run.Should().HaveCountGreaterThan(5);
    }

    [Fact]
    public void Programs_compile_and_print_what_is_shown()
    {
        List<(string Code, string? Output)> programs = [.. ReadmeFile.All.SelectMany(file => ReadmeFile.Blocks(file, "csharp")).Distinct()];
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
                    <None Include="{Nvmig.Stub}" CopyToOutputDirectory="PreserveNewest" />
                  </ItemGroup>
                </Project>
                """);

            Nvmig.Answer answer = Nvmig.Start("dotnet", ["run"], new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1" }, folder.Path);

            answer.ExitCode.Should().Be(0, answer.Out + answer.Error);
            if (output is not null)
                ReadmeFile.Lines(answer.Out).Should().Equal(ReadmeFile.Lines(output), "that is what the README shows");
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
            environment["NVML_LIBRARY_PATH"] = Nvmig.Stub;
        }

        return Nvmig.Start("/bin/sh", ["-c", $"'{Path.Combine(AppContext.BaseDirectory, "nvmig")}' {rest}"], environment);
    }
}
