using System.Reflection;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Packages;

/// <summary>
/// The packages of this build in a folder feed, and programs that use them as strangers do. Each run has a new version and an own folder
/// for unpacked packages, so that it never uses a package of another build.
/// </summary>
public sealed class PackedPackages : IDisposable
{
    private static readonly string Configuration =
        typeof(PackedPackages).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;

    private readonly TemporaryFolder _folder = new();
    private readonly Dictionary<string, string?> _environment;

    public PackedPackages()
    {
        _environment = new Dictionary<string, string?>
        {
            ["MSBUILDDISABLENODEREUSE"] = "1",
            ["NUGET_PACKAGES"] = _folder.File("unpacked"),
        };
        // Other packages are read from the folder that has them; only missing ones are fetched.
        string there = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        string fallback = Directory.Exists(there)
            ? $"""<fallbackPackageFolders><add key="there" value="{there}" /></fallbackPackageFolders>"""
            : "";
        File.WriteAllText(_folder.File("nuget.config"), $"""
            <configuration>
              <packageSources><add key="packed" value="{Feed}" /></packageSources>
              {fallback}
            </configuration>
            """);

        // Packs the build of the running tests: nothing is built.
        Run(
            "dotnet",
            ["pack", Repository.File("Nvml.Mig.sln"), "--no-build", "-c", Configuration, "-o", Feed, $"-p:PackageVersion={Version}"],
            null);
    }

    public string Version { get; } = $"0.0.0-test.{Guid.NewGuid():N}";

    public string Feed => _folder.File("feed");

    /// <summary>Writes a program that uses the packages, into a folder of its own.</summary>
    /// <param name="name">The program's name.</param>
    /// <param name="code">Its Program.cs.</param>
    /// <param name="more">More of its project file.</param>
    /// <returns>The folder.</returns>
    public string Write(string name, string code, string more = "")
    {
        string folder = Directory.CreateDirectory(_folder.File(name)).FullName;
        File.WriteAllText(Path.Combine(folder, "Program.cs"), code);
        File.WriteAllText(Path.Combine(folder, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Nvml.Mig" Version="{Version}" />
                <PackageReference Include="Nvml.Mig.Configuration" Version="{Version}" />
                <PackageReference Include="Nvml.Mig.Leasing" Version="{Version}" />
                <PackageReference Include="Nvml.Mig.Hosting" Version="{Version}" />
                <PackageReference Include="Nvml.Mig.Kubernetes" Version="{Version}" />
                <PackageReference Include="Nvml.Mig.Simulator" Version="{Version}" />
              </ItemGroup>
              {more}
            </Project>
            """);
        return folder;
    }

    /// <summary>Runs a program, which must succeed, and returns what it printed.</summary>
    public string Run(string program, string[] arguments, string? folder)
    {
        Nvmig.Answer answer = Nvmig.Start(program, arguments, _environment, folder ?? _folder.Path);
        answer.ExitCode.Should().Be(0, "of {0} {1}, which said: {2}{3}", program, string.Join(' ', arguments), answer.Out, answer.Error);
        return answer.Out;
    }

    public string PathOf(string name) => _folder.File(name);

    public void Dispose() => _folder.Dispose();
}
