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
            .WithSummary("Shows all: leases, who waits and why, GPUs, queues, reservations; with usage, what uses instances.").Fails(503);
        routes.MapGet("/gpus", ListGpusAsync).WithName("ListGpus").Produces<GpusDocument>()
            .WithSummary("Lists the GPUs of the pool, with what nobody leases.").Fails(503);
        routes.MapPost("/gpus/clear", ClearAsync).WithName("ClearInstances").Produces<ClearDocument>()
            .WithSummary("Destroys instances that nobody leases or uses: cached ones, and those with a fault.")
            .ForAdministrators("destroy instances").Fails(404, 502, 503);
    }

    private static async Task<IResult> ShowAsync(
        SharedReading reading, UseReader use, EventHub hub, TimeProvider time, HttpContext context, bool usage = false)
    {
        // First the event: what happens while it is read follows once more, and is not lost.
        long last = hub.Last;
        LeaseOverview overview = await reading.ReadAsync();
        StandDocument stand = usage
            ? await use.ReadAsync(reader => StandDocument.From(overview, reader.Read), withNodes: false, context.RequestAborted)
            : StandDocument.From(overview, LeasedInstanceEntry.From);
        return Results.Json(
            new OverviewDocument(
                time.GetUtcNow(),
                Environment.MachineName,
                Version,
                last,
                stand.Leases,
                stand.Waiting,
                stand.Gpus,
                stand.Queues,
                stand.Reservations,
                stand.Policy),
            AgentJson.Default.OverviewDocument);
    }

    private static async Task<IResult> ListGpusAsync(SharedReading reading) => Results.Json(
        new GpusDocument([.. (await reading.ReadAsync()).Gpus.Select(g => GpuEntry.From(g, LeasedInstanceEntry.From))]),
        AgentJson.Default.GpusDocument);

    private static async Task<IResult> ClearAsync(string? gpuUuid, LeaseManager manager, UseReader use, HttpContext context)
    {
        IReadOnlyList<LeasedInstance> destroyed = await manager.ClearAsync(gpuUuid, context.RequestAborted);
        LeasedInstanceEntry[] entries = await use.ReadAsync(
            reader => destroyed.Select(i => reader.Read(i, null)).ToArray(), withNodes: false, CancellationToken.None);
        return Results.Json(new ClearDocument(entries), AgentJson.Default.ClearDocument);
    }
}
