using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Api;

/// <summary>The rules for leases: queues, reservations, the policy. All see it, administrators change it.</summary>
internal static class RuleEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/queues", ListQueuesAsync).WithName("ListQueues").Produces<QueuesDocument>()
            .WithSummary("Lists the queues: quota, fair share, and what they have.").Fails(503);
        routes.MapPut("/queues/{name}", SetQueueAsync).WithName("SetQueue").Produces<QueuesDocument>()
            .WithSummary("Enters a queue, or makes it what is said: what is left out has its default.")
            .ForAdministrators("change queues")
            .Fails(400, 503);
        routes.MapDelete("/queues/{name}", DeleteQueueAsync).WithName("DeleteQueue").Produces(204)
            .WithSummary("Deletes a queue that has no leases, claims and children.").ForAdministrators("change queues")
            .Fails(400, 404, 503);
        routes.MapGet("/reservations", ListReservationsAsync).WithName("ListReservations").Produces<ReservationsDocument>()
            .WithSummary("Lists the reservations, and what is kept for them.").Fails(503);
        routes.MapPost("/reservations", AddReservationAsync).WithName("AddReservation").Produces<ReservationsDocument>()
            .WithSummary("Keeps instances of a profile for an owner or a queue.").ForAdministrators("change reservations")
            .Fails(400, 422, 503);
        routes.MapDelete("/reservations/{id}", DeleteReservationAsync).WithName("DeleteReservation").Produces(204)
            .WithSummary("Deletes a reservation. Leases that use it stay.").ForAdministrators("change reservations").Fails(404, 503);
        routes.MapGet("/policy", ShowPolicyAsync).WithName("ShowPolicy").Produces<PolicyDocument>()
            .WithSummary("Shows what holds for all queues.").Fails(503);
        routes.MapPut("/policy", SetPolicyAsync).WithName("SetPolicy").Produces<PolicyDocument>()
            .WithSummary("Sets what holds for all queues.").ForAdministrators("change the policy").Fails(400, 503);
    }

    private static async Task<IResult> ListQueuesAsync(SharedReading reading) => Answer((await reading.ReadAsync()).Queues);

    private static async Task<IResult> SetQueueAsync(
        string name, QueueRequest request, LeaseManager manager, SharedReading reading, HttpContext context)
    {
        ClaimReader.CheckName(name, "name");
        LeaseQueue queue = new(name)
        {
            Parent = request.Parent,
            Quota = request.Quota?.ToSlices(),
            Limit = request.Limit?.ToSlices(),
            LendingLimit = request.LendingLimit?.ToSlices(),
            Weight = request.Weight,
            Priority = request.Priority,
            Idle = request.Idle,
            IdleAfter = ClaimReader.ReadTime(request.IdleAfterSeconds, "idleAfterSeconds"),
        };
        try
        {
            await manager.SetQueueAsync(queue, context.RequestAborted);
        }
        catch (ArgumentException e)
        {
            throw new LeaseException(LeaseError.Invalid, e.Message, e); // What the scheduler cannot make sense of.
        }

        return Answer([.. (await reading.ReadAsync()).Queues.Where(q => q.Queue.Name == name)]);
    }

    private static async Task<IResult> DeleteQueueAsync(string name, LeaseManager manager, HttpContext context)
    {
        await manager.DeleteQueueAsync(name, context.RequestAborted);
        return Results.NoContent();
    }

    private static async Task<IResult> ListReservationsAsync(SharedReading reading) => Answer((await reading.ReadAsync()).Reservations);

    private static async Task<IResult> AddReservationAsync(
        ReservationRequest request, LeaseManager manager, SharedReading reading, HttpContext context)
    {
        ClaimReader.CheckName(request.Id, "id");
        if (request.Queue is null == request.Uid is null)
            throw ClaimReader.Wrong("A reservation is for a queue or for a uid.");
        if (request.End <= request.Start || request.Count < 1)
            throw ClaimReader.Wrong("A reservation ends after it begins, and is for one instance at least.");
        Reservation reservation = new(request.Id, request.Start, request.End)
        {
            Queue = request.Queue,
            Owner = request.Uid is { } uid ? new LeaseOwner(uid, request.Label) : null,
            Profile = request.Profile,
            Count = request.Count,
            Model = request.Model,
            IsLendable = request.Lendable,
        };
        await manager.AddReservationAsync(reservation, context.RequestAborted);
        return Answer([.. (await reading.ReadAsync()).Reservations.Where(r => r.Reservation.Id == request.Id)]);
    }

    private static async Task<IResult> DeleteReservationAsync(string id, LeaseManager manager, HttpContext context)
    {
        await manager.DeleteReservationAsync(id, context.RequestAborted);
        return Results.NoContent();
    }

    private static async Task<IResult> ShowPolicyAsync(SharedReading reading) => Answer((await reading.ReadAsync()).Policy);

    private static async Task<IResult> SetPolicyAsync(PolicyEntry request, LeaseManager manager, HttpContext context)
    {
        SchedulerOptions policy = new()
        {
            VictimDelay = ClaimReader.ReadTime(request.VictimDelaySeconds, "victimDelaySeconds"),
            Notice = ClaimReader.ReadTime(request.NoticeSeconds, "noticeSeconds"),
            Grace = ClaimReader.ReadTime(request.GraceSeconds, "graceSeconds"),
            ReuseAcrossUsers = request.ReuseAcrossUsers,
            KeepRoomAfter = request.KeepRoomAfterSeconds is { } after ? ClaimReader.ReadTime(after, "keepRoomAfterSeconds") : null,
        };
        await manager.SetPolicyAsync(policy, context.RequestAborted);
        return Answer(policy);
    }

    private static IResult Answer(IReadOnlyList<QueueShare> queues) =>
        Results.Json(new QueuesDocument([.. queues.Select(QueueEntry.From)]), AgentJson.Default.QueuesDocument);

    private static IResult Answer(IReadOnlyList<ReservationState> reservations) => Results.Json(
        new ReservationsDocument([.. reservations.Select(ReservationEntry.From)]), AgentJson.Default.ReservationsDocument);

    private static IResult Answer(SchedulerOptions policy) =>
        Results.Json(new PolicyDocument(PolicyEntry.From(policy)), AgentJson.Default.PolicyDocument);
}
