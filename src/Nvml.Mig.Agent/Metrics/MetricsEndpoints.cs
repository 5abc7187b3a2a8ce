using Nvml.Mig.Monitoring;
using OpenTelemetry.Metrics;

namespace Nvml.Mig.Agent.Metrics;

/// <summary>Metrics for Prometheus: by OpenTelemetry's names, or by those of dcgm-exporter.</summary>
internal static class MetricsEndpoints
{
    private const string TextFormat = "text/plain; version=0.0.4; charset=utf-8";

    public static void AddServices(IServiceCollection services)
    {
        services.AddSingleton<MachineReader>();
        services.AddHostedService<MetricsPublisher>();
        services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(NvmlTelemetry.SourceName).AddPrometheusExporter());
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPrometheusScrapingEndpoint("/metrics");
        routes.MapGet("/metrics/dcgm", ShowAsync).ExcludeFromDescription();
    }

    private static async Task<IResult> ShowAsync(MachineReader reader, NvmlSession session)
    {
        MachineReading reading = await reader.ReadAsync();
        return Results.Text(DcgmText.Write(reading, Environment.MachineName, session.GetDriverVersion()), TextFormat);
    }
}
