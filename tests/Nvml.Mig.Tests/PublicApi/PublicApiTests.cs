using System.Reflection;
using Nvml.Mig.Configuration;
using Nvml.Mig.Hosting;
using Nvml.Mig.Kubernetes;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Tests.PublicApi;

/// <summary>The public API changes on purpose only: each library has a file with it, so that a commit shows the change.</summary>
public class PublicApiTests
{
    /// <summary>The environment variable that accepts the present API: 1.</summary>
    private const string Accept = "NVMIG_ACCEPT_API";

    [Theory]
    [InlineData(typeof(NvmlSession))]
    [InlineData(typeof(LayoutFile))]
    [InlineData(typeof(Scheduler))]
    [InlineData(typeof(NvmlMigHosting))]
    [InlineData(typeof(NvmlMigKubernetes))]
    [InlineData(typeof(NvmlSimulator))]
    public void The_public_api_is_the_one_on_file(Type anyOfIt)
    {
        Assembly assembly = anyOfIt.Assembly;
        string name = $"tests/Nvml.Mig.Tests/PublicApi/{assembly.GetName().Name}.txt";
        string file = Repository.File(name);
        string api = ApiWriter.Write(assembly);
        if (Environment.GetEnvironmentVariable(Accept) == "1")
            File.WriteAllText(file, api);

        string known = File.Exists(file) ? File.ReadAllText(file) : "";

        if (api != known)
            Assert.Fail($"The public API is not the one in {name}:\n{Difference(known, api)}If it is meant to be, accept it with "
                + $"{Accept}=1 dotnet test --filter PublicApiTests, and commit the file.");
    }

    [Fact]
    public void The_file_has_whole_declarations() =>
        ApiWriter.Write(typeof(NvmlSession).Assembly).Should()
            .Contain("public sealed class Nvml.Mig.NvmlSession : IDisposable\n")
            .And.Contain("    public static NvmlSession Open(string? libraryPath = null, ILogger? logger = null, NvmlInitOptions options "
                + "= NvmlInitOptions.None);\n")
            .And.Contain("[NotNullWhen(true)] out GpuPlan? plan")
            .And.NotContain("PrintMembers");

    /// <summary>Lines removed and added, each below its type.</summary>
    private static string Difference(string known, string api)
    {
        List<(string Type, string Line)> before = Lines(known), after = Lines(api);
        return string.Concat(before.Except(after).Select(l => (l, Sign: '-')).Concat(after.Except(before).Select(l => (l, Sign: '+')))
            .GroupBy(l => l.l.Type)
            .Select(type => $"  {type.Key}\n{string.Concat(type.Select(l => $"  {l.Sign} {l.l.Line.Trim()}\n"))}"));
    }

    private static List<(string Type, string Line)> Lines(string text)
    {
        string type = "";
        return [
            .. text.Split('\n').Select(line => (Type: type = line.StartsWith("public ", StringComparison.Ordinal) ? line : type, line))];
    }
}
