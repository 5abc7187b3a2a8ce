using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Xml.Linq;
using Nvml.Mig.Tests.Cli;
using Nvml.Mig.Tests.Readme;

namespace Nvml.Mig.Tests.Packages;

/// <summary>The packages, used by programs that have nothing else of this repository.</summary>
public sealed class PackageTests(PackedPackages packages) : IClassFixture<PackedPackages>
{
    private static readonly string[] Native =
    [
        "runtimes/linux-x64/native/libnvml-stub-470.so", "runtimes/linux-x64/native/libnvml-stub.so", "runtimes/linux-x64/native/mps-stub",
    ];

    /// <summary>
    /// Opens NVML without a path beside a simulated machine, and prints the library opened. On a machine with a driver that is the driver.
    /// </summary>
    private const string OpensTheDriver = """
        using Nvml.Mig;
        using Nvml.Mig.Simulator;

        using NvmlSimulator simulator = NvmlSimulator.Start();
        try
        {
            using NvmlSession session = NvmlSession.Open();
            Console.WriteLine("a driver");
        }
        catch (NvmlException e)
        {
            Console.WriteLine(e.Code);
        }

        Console.WriteLine($"{simulator.GetCallCount()} calls of {Path.GetFileName(simulator.LibraryPath)}");
        """;

    [Theory]
    [InlineData("Nvml.Mig", "lib/net10.0/Nvml.Mig.dll", "lib/net10.0/Nvml.Mig.xml")]
    [InlineData("Nvml.Mig.Configuration", "lib/net10.0/Nvml.Mig.Configuration.dll", "lib/net10.0/Nvml.Mig.Configuration.xml")]
    [InlineData("Nvml.Mig.Leasing", "lib/net10.0/Nvml.Mig.Leasing.dll", "lib/net10.0/Nvml.Mig.Leasing.xml")]
    [InlineData("Nvml.Mig.Hosting", "lib/net10.0/Nvml.Mig.Hosting.dll", "lib/net10.0/Nvml.Mig.Hosting.xml")]
    [InlineData("Nvml.Mig.Kubernetes", "lib/net10.0/Nvml.Mig.Kubernetes.dll", "lib/net10.0/Nvml.Mig.Kubernetes.xml")]
    [InlineData("Nvml.Mig.Simulator", "lib/net10.0/Nvml.Mig.Simulator.dll", "lib/net10.0/Nvml.Mig.Simulator.xml")]
    [InlineData("nvmig-agent", "tools/net10.0/any/nvmig-agent.dll", "tools/net10.0/any/Nvml.Mig.Hosting.dll")]
    [InlineData("nvmig", "tools/net10.0/any/nvmig.dll", "tools/net10.0/any/libnvml-stub.so")]
    public void A_package_has_its_page_and_symbols(string id, params string[] files)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(packages.Feed, $"{id}.{packages.Version}.nupkg"));
        using ZipArchive symbols = ZipFile.OpenRead(Path.Combine(packages.Feed, $"{id}.{packages.Version}.snupkg"));

        package.Entries.Select(e => e.FullName).Should().Contain([.. files, "README.md", "icon.png"]);
        symbols.Entries.Select(e => e.FullName).Should().Contain(Path.ChangeExtension(files[0], "pdb"));
        using Stream nuspec = package.GetEntry($"{id}.nuspec")!.Open();
        XElement metadata = XDocument.Load(nuspec).Root!.Elements().First();
        Dictionary<string, string> said = metadata.Elements().GroupBy(e => e.Name.LocalName, e => e.Value)
            .ToDictionary(g => g.Key, g => g.First());
        said.Should().Contain("license", "MIT").And.Contain("readme", "README.md").And.Contain("icon", "icon.png");
        said["description"].Should().NotBeEmpty();
        said["tags"].Should().Contain("mig");
    }

    [Fact]
    public void Nothing_else_is_packed() =>
        Directory.GetFiles(packages.Feed, "*.nupkg")
            .Select(file => Path.GetFileName(file)[..^(packages.Version.Length + ".nupkg".Length + 1)])
            .Should().BeEquivalentTo(
                "Nvml.Mig", "Nvml.Mig.Configuration", "Nvml.Mig.Hosting", "Nvml.Mig.Kubernetes", "Nvml.Mig.Leasing",
                "Nvml.Mig.Simulator", "nvmig", "nvmig-agent");

    [Fact]
    public void No_package_has_a_file_with_the_drivers_name()
    {
        string[] all = [.. Directory.GetFiles(packages.Feed).SelectMany(Files)];

        all.Should().Contain(Native).And.NotContain(file => file.Contains("nvidia-ml", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void The_first_program_runs_on_the_packages()
    {
        (string code, string? output) = ReadmeFile.Blocks(ReadmeFile.Main, "csharp")[0];

        string printed = packages.Run("dotnet", ["run"], packages.Write("Sample", code));

        ReadmeFile.Lines(printed).Should().Equal(ReadmeFile.Lines(output!));
    }

    [Theory]
    [InlineData("Portable")]
    [InlineData("Specific", "-r", "linux-x64", "--no-self-contained")]
    public void A_program_with_the_simulator_does_not_take_it_for_the_driver(string name, params string[] options)
    {
        string folder = packages.Write(name, OpensTheDriver);
        packages.Run("dotnet", ["publish", "-o", "out", .. options], folder);

        string[] printed = packages.Run(Path.Combine(folder, "out", name), [], folder).Split('\n');

        printed[0].Should().Be(NativeLibrary.TryLoad("libnvidia-ml.so.1", out _) ? "a driver" : "LibraryNotFound");
        printed[1].Should().Be("0 calls of libnvml-stub.so");
    }

    [Fact]
    public void The_tool_has_its_simulator_with_it()
    {
        packages.Run("dotnet", ["tool", "install", "nvmig", "--version", packages.Version, "--tool-path", packages.PathOf("tools")], null);

        packages.Run(packages.PathOf("tools/nvmig"), ["simulate", "models"], null).Should().Contain("A100-SXM4-40GB");
    }

    /// <summary>
    /// As a single file with its runtime, and compiled ahead of time. The linker and the compiler keep the whole packages, so they check
    /// all of them. Their warnings are errors.
    /// </summary>
    [LongTheory]
    [InlineData(
        "Trimmed", "<PublishSingleFile>true</PublishSingleFile><SelfContained>true</SelfContained><PublishTrimmed>true</PublishTrimmed>")]
    [InlineData("AheadOfTime", "<PublishAot>true</PublishAot>")]
    public void The_first_program_runs_published_without_dotnet(string name, string properties)
    {
        (string code, string? output) = ReadmeFile.Blocks(ReadmeFile.Main, "csharp")[0];
        string folder = packages.Write(name, code, $"""
              <PropertyGroup>
                <RuntimeIdentifier>linux-x64</RuntimeIdentifier>
                {properties}
                <TrimmerSingleWarn>false</TrimmerSingleWarn>
              </PropertyGroup>
              <ItemGroup>
                <TrimmerRootAssembly Include="Nvml.Mig;Nvml.Mig.Configuration;Nvml.Mig.Leasing;Nvml.Mig.Hosting;Nvml.Mig.Simulator" />
              </ItemGroup>
            """);
        packages.Run("dotnet", ["publish", "-o", "out"], folder);

        string printed = packages.Run(Path.Combine(folder, "out", name), [], folder);

        ReadmeFile.Lines(printed).Should().Equal(ReadmeFile.Lines(output!));
    }

    /// <summary>Published by the command in docs/nvmig.md. Warnings are errors here too.</summary>
    [LongFact]
    public void The_tool_compiled_ahead_of_time_applies_a_layout_file()
    {
        using TemporaryFolder built = new(); // Not the build folder of the tests.
        string folder = built.File("out");
        Nvmig.Start(
            "dotnet",
            [
                "publish", Repository.File("src/Nvml.Mig.Cli"), "-r", "linux-x64", "-p:PublishAot=true",
                "-o", folder, "--artifacts-path", built.File("artifacts"),
            ],
            new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1" }).ExitCode.Should().Be(0);
        string[] onMachine = ["--simulate", "A100-SXM4-40GB"];
        string nvmig = Path.Combine(folder, "nvmig");
        File.WriteAllText(Path.Combine(folder, "layouts.yaml"), """
            version: v1
            mig-configs:
              halves:
              - devices: all
                mig-enabled: true
                mig-devices: { 3g.20gb: 2 }
            """);

        Run("apply", "-f", "layouts.yaml", "-c", "halves").ExitCode.Should().Be(0);

        Run("export").Out.Trim().Should().Be("GPU 0: 3g.20gb:0,3g.20gb:4");
        Run("list", "--json").Out.Should().Contain("MIG-");

        Nvmig.Answer Run(params string[] arguments) =>
            Nvmig.Start(
                nvmig,
                [.. onMachine, .. arguments],
                new Dictionary<string, string?> { ["NVML_STUB_STATE"] = built.File("machine") },
                folder);
    }

    private static IEnumerable<string> Files(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        return [.. archive.Entries.Select(e => e.FullName)];
    }
}
