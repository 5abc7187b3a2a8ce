using System.Reflection;
using Microsoft.Extensions.Configuration;
using Nvml.Mig.Agent.Options;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>docs/agent.md is true: its requests are answered, and its configuration is one.</summary>
public class DocumentTests
{
    private static readonly string[] Lines = File.ReadAllLines(Path.Combine(
        typeof(DocumentTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "Repository").Value!,
        "docs/agent.md"));

    [Fact]
    public async Task The_requests_of_the_document_are_answered()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        string[] requests = [.. Lines.Where(line => line.StartsWith("curl ", StringComparison.Ordinal))];
        requests.Should().HaveCountGreaterThan(5);
        foreach (string request in requests)
        {
            string command = request.Replace(AgentOptions.DefaultSocket, machine.Socket, StringComparison.Ordinal);

            (int exit, string output, _) = await AgentMachine.RunAsync(["sh", "-c", $"{command} -s -w '\n%{{http_code}}'"]);

            exit.Should().BeOneOf([0, 28], "28: the stream went on for as long as was said; of {0}", request);
            output.Should().MatchRegex("\n20[0-9]$", "of {0}", request);
        }
    }

    [Fact]
    public void The_configuration_of_the_document_is_one()
    {
        string json = string.Join('\n', Lines.SkipWhile(l => l != "```json").Skip(1).TakeWhile(l => l != "```"));
        using MemoryStream stream = new(System.Text.Encoding.UTF8.GetBytes(json));
        AgentOptions options = new();

        new ConfigurationBuilder().AddJsonStream(stream).Build().Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);

        options.Queues["research"].Users.Should().Equal("ann");
        options.Limits.Patience.Should().Be(TimeSpan.FromMinutes(5));
    }

    [Fact]
    public void The_limits_of_the_document_are_those()
    {
        string[] documented = [.. Lines.Where(l => l.StartsWith("| `", StringComparison.Ordinal)).SelectMany(l => l.Split('`'))];

        typeof(LimitOptions).GetProperties().Select(p => p.Name).Should().BeSubsetOf(documented);
    }
}
