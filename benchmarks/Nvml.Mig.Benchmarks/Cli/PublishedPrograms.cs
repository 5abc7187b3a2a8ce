using System.Diagnostics;
using Nvml.Mig.Benchmarks.Running;

namespace Nvml.Mig.Benchmarks.Cli;

/// <summary>Publishes the programs whose start is measured, as their users would: into artifacts/cold-start.</summary>
internal static class PublishedPrograms
{
    private static readonly string[] SingleFile =
        ["-r", "linux-x64", "--self-contained", "-p:PublishSingleFile=true", "-p:PublishTrimmed=true", "-p:PublishReadyToRun=true"];

    private static readonly string[] AheadOfTime = ["-r", "linux-x64", "-p:PublishAot=true"];

    private static string Folder { get; } = Path.Combine(Results.Repository, "artifacts", "cold-start");

    /// <summary>nvmig as a single file with its runtime, trimmed, with ReadyToRun.</summary>
    public static string Nvmig() => Publish(CliProject, "nvmig", "nvmig", SingleFile);

    /// <summary>nvmig as <c>dotnet tool install</c> brings it: on the runtime that is installed, compiled when it runs.</summary>
    public static string NvmigOnSharedRuntime() => Publish(CliProject, "nvmig-framework-dependent", "nvmig", []);

    /// <summary>nvmig as one native program.</summary>
    public static string NvmigAheadOfTime() => Publish(CliProject, "nvmig-ahead-of-time", "nvmig", AheadOfTime);

    /// <summary>
    /// A program that does nothing, published like the single file of nvmig: the lower bound.
    /// </summary>
    public static string Empty() => Empty("empty", SingleFile);

    /// <summary>A program that does nothing, as one native program.</summary>
    public static string EmptyAheadOfTime() => Empty("empty-ahead-of-time", AheadOfTime);

    private static string Empty(string folder, string[] options)
    {
        string source = Path.Combine(Folder, "empty-source");
        Directory.CreateDirectory(source);
        File.WriteAllText(Path.Combine(source, "Program.cs"), "return 0;");
        File.WriteAllText(Path.Combine(source, "empty.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
              </PropertyGroup>
              <ItemGroup>
                <Compile Include="Program.cs" />
              </ItemGroup>
            </Project>
            """);
        return Publish(Path.Combine(source, "empty.csproj"), folder, "empty", options);
    }

    private static string CliProject => Path.Combine(Results.Repository, "src", "Nvml.Mig.Cli", "Nvml.Mig.Cli.csproj");

    private static string Publish(string project, string folder, string program, string[] options)
    {
        string output = Path.Combine(Folder, folder);
        // No servers: one that is left behind would run beside what is measured.
        ProcessStartInfo start = new("dotnet", ["publish", project, "-c", "Release", "-o", output, "--disable-build-servers", .. options])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        using Process process = Process.Start(start)!;
        string said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? Path.Combine(output, program) : throw new InvalidOperationException(said);
    }
}
