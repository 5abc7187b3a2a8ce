using System.Xml.Linq;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.PublicApi;

/// <summary>The examples in the documentation of the public API.</summary>
public class ExampleTests
{
    /// <summary>The members that examples use without declaring them. An example may declare them too.</summary>
    private const string Given = """
        using System.Diagnostics;
        using FluentAssertions;
        using Nvml.Mig;
        using Nvml.Mig.Configuration;
        using Nvml.Mig.Applying;
        using Nvml.Mig.Host;
        using Nvml.Mig.Leasing;
        using Nvml.Mig.Monitoring;
        using Nvml.Mig.Planning;
        using Nvml.Mig.Simulator;

        internal abstract class Given
        {
            protected static NvmlSession session => null!;
            protected static GpuDevice gpu => null!;
            protected static GpuInstance instance => null!;
            protected static NvmlSimulator simulator => null!;
            protected static CancellationToken cancellationToken => default;
        }

        """;

    [Fact]
    public void Examples_compile()
    {
        (string Member, string Code)[] examples = [
            .. new[] { "Nvml.Mig", "Nvml.Mig.Configuration", "Nvml.Mig.Leasing", "Nvml.Mig.Simulator" }
            .SelectMany(library => XDocument.Load(Path.Combine(AppContext.BaseDirectory, $"{library}.xml")).Descendants("example"))
            .Select(example => (example.Parent!.Attribute("name")!.Value, example.Element("code")!.Value))];
        examples.Should().HaveCountGreaterThan(10);
        using TemporaryFolder folder = new();
        string code = Given + string.Concat(examples.Select((example, i) => $$"""

            // {{example.Member}}
            internal sealed class Example{{i}} : Given
            {
                public static async Task Run()
                {
                    await Task.CompletedTask;
            {{example.Code}}
                }
            }

            """));

        Nvmig.Answer answer = SampleProject.Make(
            folder, "build", code, $"""<Reference Include="{AppContext.BaseDirectory}FluentAssertions.dll" />""");

        answer.ExitCode.Should().Be(0, answer.Out + answer.Error);
    }
}
