using System.Reflection;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>The interface changes on purpose only: its document is on file, so that a commit shows the change.</summary>
public class OpenApiTests
{
    /// <summary>The environment variable that accepts the present interface: 1.</summary>
    private const string Accept = "NVMIG_ACCEPT_API";

    private static readonly string Known = Path.Combine(
        typeof(OpenApiTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Repository").Value!,
        "tests/Nvml.Mig.Agent.Tests/Server/openapi.json");

    [Fact]
    public async Task The_interface_is_the_one_on_file()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        string document = (await machine.GetAsync("/openapi/v1.json")).Text;

        if (Environment.GetEnvironmentVariable(Accept) == "1")
            await File.WriteAllTextAsync(Known, document + "\n");
        (document + "\n").Should().Be(
            await File.ReadAllTextAsync(Known),
            $"a change of the interface is accepted with {Accept}=1 dotnet test --filter OpenApiTests, and the file is committed");
        document.Should().Contain("\"/v1/leases\"").And.NotContain("localhost");
    }

    [Fact]
    public async Task Every_endpoint_says_what_it_does_and_returns()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        System.Text.Json.Nodes.JsonNode document = (await machine.GetAsync("/openapi/v1.json")).Json;

        foreach ((string path, System.Text.Json.Nodes.JsonNode? operations) in document["paths"]!.AsObject())
        {
            foreach ((string method, System.Text.Json.Nodes.JsonNode? operation) in operations!.AsObject())
            {
                ((string?)operation!["summary"]).Should().EndWith(".", $"of {method} {path}");
                operation["responses"]!.AsObject().Should().NotBeEmpty();
            }
        }
    }
}
