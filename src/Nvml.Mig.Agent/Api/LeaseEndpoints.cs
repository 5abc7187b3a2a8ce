using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Api;

/// <summary>Leases, and claims that wait.</summary>
internal static class LeaseEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/leases", ClaimAsync).WithName("Claim").Produces<ClaimDocument>().Produces<ClaimDocument>(202)
            .WithSummary("Claims instances. 200: the lease; 202: the claim waits on, ask again with the same id.")
            .Fails(400, 403, 409, 413, 422, 429, 503);
        routes.MapGet("/leases", ListAsync).WithName("ListLeases").Produces<LeasesDocument>()
            .WithSummary("Lists the leases, those too that are ending.").Fails(503);
        routes.MapGet("/leases/{id}", ShowAsync).WithName("ShowLease").Produces<LeaseDocument>()
            .WithSummary("Shows a lease; with usage, what uses its instances.").Fails(404);
        routes.MapGet("/leases/{id}/events", ShowEvents).WithName("ListLeaseEvents").Produces<LeaseEventsDocument>()
            .WithSummary("Lists what happened to a lease, as far as it is still known.");
        routes.MapPost("/leases/{id}/renew", RenewAsync).WithName("RenewLease").Produces<LeaseDocument>()
            .WithSummary("Makes a lease last from now for its duration, or for another.").Fails(400, 403, 404, 410, 503);
        routes.MapDelete("/leases/{id}", ReleaseAsync).WithName("ReleaseLease").Produces(204)
            .WithSummary("Ends a lease. Its instances are free once no process uses them.").Fails(403, 404, 410, 503);
        routes.MapPost("/leases/adopt", AdoptAsync).WithName("AdoptInstance").Produces<LeaseDocument>()
            .WithSummary("Takes over an instance that leasing did not create, as a lease.").ForAdministrators("adopt instances")
            .Fails(400, 404, 502, 503);
        routes.MapGet("/waiting", ListWaitingAsync).WithName("ListWaiting").Produces<WaitingDocument>()
            .WithSummary("Lists the claims that wait, in their order.").Fails(503);
        routes.MapGet("/waiting/{id}", ShowWaitingAsync).WithName("ShowWaiting").Produces<ClaimDocument>()
            .WithSummary("Shows a claim, or the lease that has come of it.").Fails(404);
        routes.MapDelete("/waiting/{id}", WithdrawAsync).WithName("WithdrawClaim").Produces(204)
            .WithSummary("Withdraws a claim that waits.").Fails(403, 404, 503);
    }

    private static async Task<IResult> ClaimAsync(
        ClaimRequest request, HttpContext context, ClaimReader reader, LeaseManager manager, ClaimWaiter waiter)
    {
        Caller caller = context.GetCaller();
        Claim claim = reader.Read(request, caller);
        LeaseHold hold = reader.ReadHold(request, caller);
        TimeSpan wait = RequestChecks.ReadTime(request.WaitSeconds, "waitSeconds");
        if (wait == TimeSpan.Zero)
        {
            WhyNot why = new();
            try
            {
                return Answer(await manager.ClaimAsync(claim, hold, TimeSpan.Zero, why, context.RequestAborted), null);
            }
            catch (LeaseException e) when (e.Error == LeaseError.Timeout)
            {
                return Problems.NotNow(e, why.Last);
            }
        }

        (GrantedLease? granted, Waiting? waits) = await waiter.WaitAsync(
            claim, hold, wait, ClaimReader.ReadWaiter(request, caller), context.RequestAborted);
        return Answer(granted, waits);
    }

    private static IResult Answer(GrantedLease? lease, Waiting? waiting) => Results.Json(
        new ClaimDocument(
            lease is null ? null : LeaseEntry.From(lease), waiting is null || lease is not null ? null : WaitingClaimEntry.From(waiting)),
        AgentJson.Default.ClaimDocument,
        statusCode: lease is null ? StatusCodes.Status202Accepted : StatusCodes.Status200OK);

    private static async Task<IResult> ListAsync(SharedReading reading, string? queue, uint? uid)
    {
        LeaseOverview overview = await reading.ReadAsync();
        IEnumerable<GrantedLease> leases = overview.Leases.Where(l =>
            (queue is null || l.Lease.Claim.Queue == queue) && (uid is null || l.Lease.Claim.Owner.Uid == uid));
        return Results.Json(new LeasesDocument([.. leases.Select(l => LeaseEntry.From(l))]), AgentJson.Default.LeasesDocument);
    }

    private static async Task<IResult> ShowAsync(
        string id, LeaseManager manager, UseReader use, HttpContext context, bool usage = false)
    {
        GrantedLease lease = await LeaseLookup.FindAsync(manager, id);
        LeaseEntry entry = usage
            ? await use.ReadAsync(reader => LeaseEntry.From(lease, reader.Read), withNodes: true, context.RequestAborted)
            : LeaseEntry.From(lease);
        return Results.Json(new LeaseDocument(entry), AgentJson.Default.LeaseDocument);
    }

    private static IResult ShowEvents(string id, EventHub hub) => Results.Json(
        new LeaseEventsDocument([.. hub.ReadOf(id).Select(LeaseEventEntry.From)]), AgentJson.Default.LeaseEventsDocument);

    private static async Task<IResult> RenewAsync(
        string id, RenewRequest request, HttpContext context, Rights rights, LeaseManager manager)
    {
        GrantedLease lease = await LeaseLookup.FindAsync(manager, id);
        rights.RequireOwner(context.GetCaller(), lease.Lease.Claim.Owner, $"renew lease {id}");
        TimeSpan? duration = RequestChecks.ReadDuration(request.DurationSeconds);
        RequireGeneration(lease, request.Generation);
        return Answer(await manager.RenewAsync(id, duration, lease.Generation, context.RequestAborted));
    }

    private static async Task<IResult> ReleaseAsync(
        string id, long? generation, HttpContext context, Rights rights, LeaseManager manager)
    {
        GrantedLease lease = await LeaseLookup.FindAsync(manager, id);
        rights.RequireOwner(context.GetCaller(), lease.Lease.Claim.Owner, $"release lease {id}");
        RequireGeneration(lease, generation);
        await manager.ReleaseAsync(id, lease.Generation, context.RequestAborted);
        return Results.NoContent();
    }

    /// <summary>It is of the generation whose owner was looked at: another lease of the name can be somebody else's.</summary>
    private static void RequireGeneration(GrantedLease lease, long? generation)
    {
        if (generation is { } wanted && wanted != lease.Generation)
            throw new LeaseException(LeaseError.Ended, $"Lease {lease.Id} is of generation {lease.Generation}, not {wanted}.");
    }

    private static async Task<IResult> AdoptAsync(
        AdoptRequest request, HttpContext context, ClaimReader reader, Rights rights, LeaseManager manager)
    {
        Caller caller = context.GetCaller();
        string id = request.Id ?? RequestChecks.NewName();
        RequestChecks.CheckName(id, "id");
        HostProcess? process = request.ProcessId is { } pid ? rights.FindProcess(caller, pid) : null;
        return Answer(await manager.AdoptAsync(
            request.GpuUuid,
            request.GpuInstanceId,
            id,
            request.Queue,
            reader.ReadOwner(request.Uid, request.Label, caller),
            request.ToHold(process),
            context.RequestAborted));
    }

    private static async Task<IResult> ListWaitingAsync(SharedReading reading) => Results.Json(
        new WaitingDocument([.. (await reading.ReadAsync()).Waiting.Select(WaitingClaimEntry.From)]), AgentJson.Default.WaitingDocument);

    private static async Task<IResult> ShowWaitingAsync(string id, LeaseManager manager)
    {
        (GrantedLease? lease, Waiting? waiting) = await manager.FindAsync(id);
        return lease is null && waiting is null
            ? Problems.Result(StatusCodes.Status404NotFound, nameof(LeaseError.NotFound), $"There is no claim {id}.")
            : Results.Json(
                new ClaimDocument(
                    lease is null ? null : LeaseEntry.From(lease), waiting is null ? null : WaitingClaimEntry.From(waiting)),
                AgentJson.Default.ClaimDocument);
    }

    private static async Task<IResult> WithdrawAsync(
        string id, HttpContext context, Rights rights, LeaseManager manager, EventHub hub)
    {
        if (await manager.FindAsync(id) is not { Waiting: { } waiting })
            return Problems.Result(StatusCodes.Status404NotFound, nameof(LeaseError.NotFound), $"No claim {id} waits.");
        rights.RequireOwner(context.GetCaller(), waiting.Claim.Owner, $"withdraw claim {id}");
        // Of the owner that was looked at: another claim of the name can be somebody else's.
        await manager.WithdrawAsync(id, waiting.Claim.Owner, context.RequestAborted);
        hub.Wake(id);
        return Results.NoContent();
    }

    private static IResult Answer(GrantedLease lease) =>
        Results.Json(new LeaseDocument(LeaseEntry.From(lease)), AgentJson.Default.LeaseDocument);

    /// <summary>Not Progress, which reports on another thread, later.</summary>
    private sealed class WhyNot : IProgress<Waiting>
    {
        public Waiting? Last { get; private set; }

        public void Report(Waiting value) => Last = value;
    }
}
