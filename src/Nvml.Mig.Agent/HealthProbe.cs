using Nvml.Mig.Agent.Documents;

namespace Nvml.Mig.Agent;

/// <summary>Asks a running agent how it is: a container has no curl to probe it with.</summary>
internal static class HealthProbe
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(string path, string what)
    {
        using HttpClient client = new(new SocketsHttpHandler
        {
            ConnectCallback = (_, cancellation) => AgentAddress.ConnectAsync(path, cancellation),
        })
        {
            Timeout = Patience,
        };
        try
        {
            using HttpResponseMessage response = await client.GetAsync(new Uri($"http://localhost/health/{what}"));
            await Console.Out.WriteLineAsync(await response.Content.ReadAsStringAsync());
            return response.IsSuccessStatusCode ? 0 : 1;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"nvmig-agent: no agent answers at {path}: {e.Message}");
            return 1;
        }
    }
}
