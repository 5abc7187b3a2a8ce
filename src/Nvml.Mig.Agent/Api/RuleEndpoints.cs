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
        await manager.SetQueueAsync(request.ToQueue(name), context.RequestAborted);
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
        await manager.AddReservationAsync(request.ToReservation(), context.RequestAborted);
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
        SchedulerOptions policy = request.ToPolicy();
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
