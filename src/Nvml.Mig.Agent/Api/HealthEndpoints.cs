using Microsoft.Extensions.Diagnostics.HealthChecks;
using Nvml.Mig.Agent.Documents;

namespace Nvml.Mig.Agent.Api;

/// <summary>Whether the agent works, for service managers: at most one check a second, whoever asks.</summary>
internal sealed class HealthEndpoints(HealthCheckService health, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, (DateTimeOffset Since, Task<HealthReport> Report)> _reports = new(StringComparer.Ordinal);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/live", (HealthEndpoints health) => health.CheckAsync("live")).WithName("ShowLive")
            .Produces<HealthDocument>().Produces<HealthDocument>(503).WithSummary("Tells whether the driver answers.");
        routes.MapGet("/ready", (HealthEndpoints health) => health.CheckAsync("ready")).WithName("ShowReady")
            .Produces<HealthDocument>().Produces<HealthDocument>(503)
            .WithSummary("Tells whether leases are kept, and every lost GPU is known.");
    }

    private async Task<IResult> CheckAsync(string tag)
    {
        HealthReport report = await ReadAsync(tag);
        return Results.Json(
            new HealthDocument(
                report.Status.ToString(),
                report.Entries.ToDictionary(
                    e => e.Key, e => new HealthEntry(e.Value.Status.ToString(), e.Value.Description), StringComparer.Ordinal)),
            AgentJson.Default.HealthDocument,
            statusCode: report.Status == HealthStatus.Unhealthy
                ? StatusCodes.Status503ServiceUnavailable
                : StatusCodes.Status200OK);
    }

    private Task<HealthReport> ReadAsync(string tag)
    {
        lock (_lock)
        {
            DateTimeOffset now = time.GetUtcNow();
            if (_reports.TryGetValue(tag, out (DateTimeOffset Since, Task<HealthReport> Report) last)
                && (!last.Report.IsCompleted || now - last.Since < Interval))
                return last.Report;
            Task<HealthReport> report = health.CheckHealthAsync(check => check.Tags.Contains(tag));
            _reports[tag] = (now, report);
            return report;
        }
    }
}
