using System.Reflection;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>Where all stands.</summary>
internal static class OverviewEndpoints
{
    private static readonly string Version = typeof(OverviewEndpoints).Assembly
        .GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/overview", ShowAsync).WithName("ShowOverview").Produces<OverviewDocument>()
            .WithSummary("Shows all: leases, who waits and why, GPUs, queues, reservations.").Fails(503);
        routes.MapGet("/gpus", ListGpusAsync).WithName("ListGpus").Produces<GpusDocument>()
            .WithSummary("Lists the GPUs of the pool, with what nobody leases.").Fails(503);
        routes.MapPost("/gpus/clear", ClearAsync).WithName("ClearInstances").Produces<ClearDocument>()
            .WithSummary("Destroys instances that nobody leases or uses: cached ones, and those with a fault.")
            .ForAdministrators("destroy instances").Fails(404, 502, 503);
    }

    private static async Task<IResult> ShowAsync(SharedReading reading, GpuWidths widths, EventHub hub, TimeProvider time)
    {
        // First the event: what happens while it is read follows once more, and is not lost.
        long last = hub.Last;
        LeaseOverview overview = await reading.ReadAsync();
        return Results.Json(
            new OverviewDocument(
                time.GetUtcNow(),
                Environment.MachineName,
                Version,
                last,
                [.. overview.Leases.Select(LeaseEntry.From)],
                [.. overview.Waiting.Select(WaitingClaimEntry.From)],
                [.. overview.Gpus.Select(widths.Describe)],
                [.. overview.Queues.Select(QueueEntry.From)],
                [.. overview.Reservations.Select(ReservationEntry.From)],
                PolicyEntry.From(overview.Policy)),
            AgentJson.Default.OverviewDocument);
    }

    private static async Task<IResult> ListGpusAsync(SharedReading reading, GpuWidths widths) => Results.Json(
        new GpusDocument([.. (await reading.ReadAsync()).Gpus.Select(widths.Describe)]), AgentJson.Default.GpusDocument);

    private static async Task<IResult> ClearAsync(string? gpuUuid, LeaseManager manager, HttpContext context) => Results.Json(
        new ClearDocument(
            [.. (await manager.ClearAsync(gpuUuid, context.RequestAborted)).Select(LeasedInstanceEntry.From)]),
        AgentJson.Default.ClearDocument);
}
