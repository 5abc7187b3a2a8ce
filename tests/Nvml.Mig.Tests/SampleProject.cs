using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests;

/// <summary>A project of somebody else's that references the libraries of this build, for tests that compile code.</summary>
internal static class SampleProject
{
    /// <summary>Writes the code and a project for it into a folder, and builds or runs it.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="verb"><c>build</c> or <c>run</c>; what is run is a program.</param>
    /// <param name="code">The code, for Program.cs.</param>
    /// <param name="items">More items of the project file.</param>
    public static Nvmig.Answer Make(TemporaryFolder folder, string verb, string code, string items = "")
    {
        File.WriteAllText(folder.File("Program.cs"), code);
        File.WriteAllText(folder.File("Sample.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>{(verb == "run" ? "Exe" : "Library")}</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <Reference Include="{AppContext.BaseDirectory}Nvml.Mig*.dll" Exclude="{AppContext.BaseDirectory}Nvml.Mig.Tests.dll" />
                <Reference Include="{AppContext.BaseDirectory}YamlDotNet.dll" />
                <Reference Include="{AppContext.BaseDirectory}Microsoft.Extensions.Logging.Abstractions.dll" />
                {items}
              </ItemGroup>
            </Project>
            """);
        return Nvmig.Start("dotnet", [verb], new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1" }, folder.Path);
    }
}
