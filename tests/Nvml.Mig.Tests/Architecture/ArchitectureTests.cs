using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Nvml.Mig.Tests.Architecture;

/// <summary>Which part may know which. docs/architecture.md explains the parts.</summary>
public partial class ArchitectureTests
{
    /// <summary>The folders of src/Nvml.Mig from the bottom up, each with its namespace and the folders that it may know.</summary>
    private static readonly (string Folder, string Namespace, string[] MayKnow)[] Folders =
    [
        ("Model", "Nvml.Mig", []),
        ("Telemetry", "Nvml.Mig", ["Model"]),
        ("Interop", "Nvml.Mig.Interop", []),
        ("Native", "Nvml.Mig.Native", ["Model", "Interop", "Telemetry"]),
        ("Devices", "Nvml.Mig", ["Model", "Native"]),
        ("Planning", "Nvml.Mig.Planning", ["Model"]),
        ("Host", "Nvml.Mig.Host", ["Model", "Native", "Devices"]),
        ("Applying", "Nvml.Mig.Applying", ["Model", "Devices", "Planning", "Host", "Telemetry"]),
        ("Monitoring", "Nvml.Mig.Monitoring", ["Model", "Devices", "Telemetry"]),
    ];

    /// <summary>The projects in src from the bottom up, each with the projects and packages that it may reference.</summary>
    private static readonly (string Project, string[] MayReference)[] Projects =
    [
        ("Nvml.Mig", ["Microsoft.Extensions.Logging.Abstractions"]),
        ("Nvml.Mig.Configuration", ["Nvml.Mig", "YamlDotNet"]),
        ("Nvml.Mig.Leasing", ["Nvml.Mig", "Microsoft.Data.Sqlite"]),
        ("Nvml.Mig.Hosting", [
            "Nvml.Mig.Leasing", "Microsoft.Extensions.Diagnostics.HealthChecks", "Microsoft.Extensions.Hosting.Abstractions",
            "Microsoft.Extensions.Options.ConfigurationExtensions"]),
        ("Nvml.Mig.Kubernetes", ["Nvml.Mig.Configuration", "Nvml.Mig.Hosting"]),
        ("Nvml.Mig.Agent.Documents", ["Nvml.Mig.Leasing"]),
        ("Nvml.Mig.Simulator", ["Nvml.Mig"]),
        ("Nvml.Mig.Agent", [
            "Nvml.Mig.Agent.Documents", "Nvml.Mig.Configuration", "Nvml.Mig.Hosting", "Nvml.Mig.Kubernetes", "Microsoft.AspNetCore.OpenApi",
            "Microsoft.Extensions.Hosting.Systemd", "Microsoft.OpenApi", "OpenTelemetry.Exporter.Prometheus.AspNetCore",
            "OpenTelemetry.Extensions.Hosting"]),
        ("Nvml.Mig.Cli", [
            "Nvml.Mig", "Nvml.Mig.Agent.Documents", "Nvml.Mig.Configuration", "Nvml.Mig.Leasing", "Nvml.Mig.Simulator",
            "Spectre.Console", "System.CommandLine"]),
    ];

    private static readonly IReadOnlyList<SourceFile> Sources = SourceFile.Below("src/Nvml.Mig");

    [Fact]
    public void A_folder_knows_only_the_folders_that_it_may_know()
    {
        ILookup<string, string> typeFolders = FoldersOf(file => file.Types);
        ILookup<string, string> extensionFolders = FoldersOf(file => file.Extensions);
        List<string> wrong = [];
        foreach (SourceFile file in Sources.Where(file => FolderOf(file).Length > 0))
        {
            string folder = FolderOf(file);
            string[] known = [folder, .. Folders.Single(f => f.Folder == folder).MayKnow];
            wrong.AddRange(file.Names.Where(name => typeFolders.Contains(name) && !typeFolders[name].Intersect(known).Any())
                .Select(name => $"{file.Path} uses {name} of {typeFolders[name].First()}"));
            wrong.AddRange(file.Called.Where(name => extensionFolders.Contains(name) && !extensionFolders[name].Intersect(known).Any())
                .Select(name => $"{file.Path} calls the extension method {name} of {extensionFolders[name].First()}"));
            wrong.AddRange(Folders.Where(f => !known.Contains(f.Folder) && f.Namespace != "Nvml.Mig" && file.Usings.Contains(f.Namespace))
                .Select(f => $"{file.Path} has using {f.Namespace}"));
        }

        string.Join('\n', wrong).Should().BeEmpty();
    }

    [Fact]
    public void A_folder_knows_only_folders_below_it() =>
        Folders.Should()
            .OnlyContain(row => !row.MayKnow.Except(Folders.TakeWhile(f => f.Folder != row.Folder).Select(f => f.Folder)).Any());

    [Fact]
    public void A_file_has_the_namespace_of_its_folder()
    {
        Sources.Select(FolderOf).Where(folder => folder.Length > 0).Distinct().Should().BeEquivalentTo(Folders.Select(f => f.Folder));
        string.Join('\n', Sources.Where(file => FolderOf(file).Length > 0)
            .Where(file => file.Namespace != Folders.Single(f => f.Folder == FolderOf(file)).Namespace)
            .Select(file => $"{file.Path} has namespace {file.Namespace}")).Should().BeEmpty();
    }

    [Fact]
    public void A_project_references_only_what_it_may()
    {
        Directory.GetDirectories(Repository.File("src")).Select(Path.GetFileName).Should().BeEquivalentTo(Projects.Select(p => p.Project));
        foreach ((string project, string[] mayReference) in Projects)
            References(project, "ProjectReference", "PackageReference").Should().BeEquivalentTo(mayReference, "of {0}", project);
    }

    [Fact]
    public void Only_tests_and_benchmarks_see_internals() =>
        Projects.SelectMany(p => References(p.Project, "InternalsVisibleTo"))
            .Should().BeSubsetOf([
                "Nvml.Mig.Tests", "Nvml.Mig.Leasing.Tests", "Nvml.Mig.Agent.Tests", "Nvml.Mig.BrowserTests", "Nvml.Mig.Benchmarks"]);

    [Fact]
    public void The_scan_reads_code_and_no_comments_or_texts() =>
        SourceFile.CodeOf("""
            a("T1 \" T1"); // T1
            b($"T1 {T2.X + "T1"} {{T1}}", @"T1 "" \", '"', '\''); /* T1
            T1 */ c(T3.Y);
            """ + "d(\"\"\"T1 \" T1\"\"\", $$\"\"\"{T1} {{T4}} T1\"\"\", T5);")
            .Should().NotContain("T1").And.ContainAll("T2", "T3", "T4", "T5");

    private static string FolderOf(SourceFile file) => Folder().Match(file.Path).Groups["name"].Value;

    private static ILookup<string, string> FoldersOf(Func<SourceFile, IEnumerable<string>> names) =>
        Sources.SelectMany(file => names(file).Select(name => (name, Folder: FolderOf(file)))).ToLookup(t => t.name, t => t.Folder);

    private static IEnumerable<string> References(string project, params string[] kinds) =>
        XDocument.Load(Repository.File($"src/{project}/{project}.csproj")).Descendants()
            .Where(item => kinds.Contains(item.Name.LocalName))
            .Select(item => item.Attribute("Include")!.Value)
            .Select(name => Path.GetExtension(name) == ".csproj" ? Path.GetFileNameWithoutExtension(name) : name);

    [GeneratedRegex("^src/Nvml.Mig/(?<name>[^/]+)/", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Folder();
}
