using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Architecture;

/// <summary>Rules on the form of the code that no analyzer checks.</summary>
public partial class CodeStyleTests
{
    private const int MaxFileLines = 400;

    private const int MaxMutableFields = 10;

    private const int MaxTestName = 60;

    private static readonly string[] CodeFolders = ["src", "tests", "benchmarks", "samples", "native-stubs"];

    private static readonly string[] Extensions = ["*.cs", "*.c", "*.h"];

    [Fact]
    public void A_line_of_code_is_no_longer_than_editorconfig_allows()
    {
        int max = int.Parse(MaxLength().Match(File.ReadAllText(Repository.File(".editorconfig"))).Value, CultureInfo.InvariantCulture);
        IEnumerable<string> paths = CodeFolders.SelectMany(folder => Extensions.SelectMany(e => SourceFile.PathsBelow(folder, e)));
        Nothing(paths.SelectMany(path => File.ReadLines(Repository.File(path)).Select((line, i) => (Place: $"{path}:{i + 1}", line.Length)))
            .Where(line => line.Length > max)
            .Select(line => $"{line.Place}: {line.Length} characters, {max} are allowed"));
    }

    [Fact]
    public void A_file_of_a_library_has_at_most_400_lines() =>
        Nothing(SourceFile.PathsBelow("src", "*.cs").Select(path => (path, Lines: File.ReadLines(Repository.File(path)).Count()))
            .Where(file => file.Lines > MaxFileLines)
            .Select(file => $"{file.path}: {file.Lines} lines"));

    [Theory]
    [InlineData(typeof(NvmlSession))]
    [InlineData(typeof(LayoutFile))]
    [InlineData(typeof(NvmlSimulator))]
    [InlineData(typeof(Nvml.Mig.Cli.Program))]
    public void A_type_has_at_most_ten_mutable_fields(Type anyOfIt) =>
        Nothing(anyOfIt.Assembly.GetTypes()
            // Closures and async methods are the compiler's types: their names have what no name in C# has.
            .Where(type => !type.Name.Contains('<', StringComparison.Ordinal) && !type.IsSubclassOf(typeof(JsonSerializerContext)))
            .Where(type => type.Namespace != "Nvml.Mig.Interop") // Structs there are NVIDIA's.
            .Select(type => (type, Fields: MutableFields(type)))
            .Where(type => type.Fields.Length > MaxMutableFields)
            .Select(type => $"{type.type}: {string.Join(", ", type.Fields)}"));

    [Fact]
    public void A_test_name_has_at_most_60_characters() =>
        Nothing(typeof(CodeStyleTests).Assembly.GetTypes().SelectMany(type => type.GetMethods())
            .Where(method => method.IsDefined(typeof(FactAttribute)) && method.Name.Length > MaxTestName)
            .Select(method => $"{method.DeclaringType}.{method.Name}: {method.Name.Length} characters"));

    /// <summary>The instance fields that can change after construction, those behind properties with <c>set</c> included.</summary>
    private static string[] MutableFields(Type type) =>
        [.. type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            // The parameters of a primary constructor.
            .Where(field => !field.IsInitOnly && !field.Name.EndsWith(">P", StringComparison.Ordinal))
            .Select(field => field.Name)];

    private static void Nothing(IEnumerable<string> found) => string.Join('\n', found).Should().BeEmpty();

    [GeneratedRegex(@"(?<=^max_line_length = )\d+", RegexOptions.Multiline, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MaxLength();
}
