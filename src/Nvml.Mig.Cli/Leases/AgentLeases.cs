using System.Diagnostics;
using System.Net.Http.Json;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The leases as the agent keeps them.</summary>
internal sealed class AgentLeases(AgentConnection agent) : ILeases
{
    /// <summary>How often a claim that waits is asked for, so that its position is known. A grant is told at once.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>How long until an agent is asked again that does not answer, or that sends everybody away since it stops.</summary>
    private static readonly TimeSpan RetryInterval = TimeSpan.FromMilliseconds(200);

    private static AgentJson Json => AgentConnection.Json;

    public Task<StandDocument> ReadAsync(bool usage, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Get, usage ? "overview?usage=true" : "overview", null, Json.StandDocument, cancellationToken);

    public async Task<LeaseEntry> ShowAsync(string id, CancellationToken cancellationToken) => (await agent.SendAsync(
        HttpMethod.Get, $"leases/{Escape(id)}?usage=true", null, Json.LeaseDocument, cancellationToken)).Lease;

    public async Task<LeaseEntry> ClaimAsync(
        ClaimRequest request, TimeSpan? timeout, Action<string> tell, CancellationToken cancellationToken)
    {
        if (timeout == TimeSpan.Zero)
            return (await PostAsync(request, cancellationToken)).Lease!;
        request = request with { WhileCallerWaits = true }; // As without the agent: nobody is given what he no longer waits for.
        bool isOurs = !await IsThereAsync(request.Id!, cancellationToken);
        try
        {
            return await WaitAsync(request, timeout, tell, cancellationToken);
        }
        catch when (isOurs)
        {
            await WithdrawAsync(request.Id!);
            throw;
        }
    }

    public async Task<LeaseEntry> AdoptAsync(AdoptRequest request, CancellationToken cancellationToken) => (await agent.SendAsync(
        HttpMethod.Post, "leases/adopt", JsonContent.Create(request, Json.AdoptRequest), Json.LeaseDocument, cancellationToken)).Lease;

    public async Task<LeaseEntry> RenewAsync(string id, RenewRequest request, CancellationToken cancellationToken) =>
        (await agent.SendAsync(
            HttpMethod.Post,
            $"leases/{Escape(id)}/renew",
            JsonContent.Create(request, Json.RenewRequest),
            Json.LeaseDocument,
            cancellationToken)).Lease;

    public Task ReleaseAsync(string id, long? generation, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Delete,
        FormattableString.Invariant($"leases/{Escape(id)}{(generation is null ? "" : $"?generation={generation}")}"),
        cancellationToken);

    public async Task<IReadOnlyList<LeasedInstanceEntry>> ClearAsync(string? gpu, CancellationToken cancellationToken) =>
        (await agent.SendAsync(
            HttpMethod.Post,
            gpu is null ? "gpus/clear" : $"gpus/clear?gpuUuid={Escape(gpu)}",
            null,
            Json.ClearDocument,
            cancellationToken)).Destroyed;

    public Task SetQueueAsync(string name, QueueRequest request, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Put, $"queues/{Escape(name)}", JsonContent.Create(request, Json.QueueRequest), Json.QueuesDocument, cancellationToken);

    public Task DeleteQueueAsync(string name, CancellationToken cancellationToken) =>
        agent.SendAsync(HttpMethod.Delete, $"queues/{Escape(name)}", cancellationToken);

    public Task AddReservationAsync(ReservationRequest request, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Post,
        "reservations",
        JsonContent.Create(request, Json.ReservationRequest),
        Json.ReservationsDocument,
        cancellationToken);

    public Task DeleteReservationAsync(string id, CancellationToken cancellationToken) =>
        agent.SendAsync(HttpMethod.Delete, $"reservations/{Escape(id)}", cancellationToken);

    public Task SetPolicyAsync(PolicyEntry policy, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Put, "policy", JsonContent.Create(policy, Json.PolicyEntry), Json.PolicyDocument, cancellationToken);

    public void Dispose() => agent.Dispose();

    /// <summary>A name in an address. What no lease can be called is refused here: it would be another address.</summary>
    private static string Escape(string name)
    {
        RequestChecks.CheckName(name, "The name");
        return Uri.EscapeDataString(name);
    }

    private Task<ClaimDocument> PostAsync(ClaimRequest request, CancellationToken cancellationToken) => agent.SendAsync(
        HttpMethod.Post, "leases", JsonContent.Create(request, Json.ClaimRequest), Json.ClaimDocument, cancellationToken);

    /// <summary>
    /// The claim is in the book, and waits by itself: it is asked for again and again. So it outlives an agent that is started again.
    /// </summary>
    private async Task<LeaseEntry> WaitAsync(
        ClaimRequest request, TimeSpan? timeout, Action<string> tell, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        WaitingClaimEntry? told = null;
        AgentGoneException? gone = null;
        while (true)
        {
            long asked = Stopwatch.GetTimestamp();
            TimeSpan left = (timeout ?? TimeSpan.MaxValue) - Stopwatch.GetElapsedTime(start);
            TimeSpan wait = left < LookInterval ? left : LookInterval;
            try
            {
                ClaimDocument answer =
                    await PostAsync(request with { WaitSeconds = Math.Max(wait.TotalSeconds, 0.001) }, cancellationToken);
                if (answer.Lease is { } lease)
                    return lease;
                gone = null;
                if (answer.Waiting is { } waiting && waiting != told)
                    tell((told = waiting).ToString());
            }
            catch (AgentGoneException e)
            {
                if (gone is null)
                    tell($"The agent does not answer. {request.Id} waits on until it does.");
                gone = e;
            }

            if (Stopwatch.GetElapsedTime(start) >= timeout)
            {
                throw gone ?? new LeaseException(
                    LeaseError.Timeout,
                    $"Claim {request.Id} was not granted within {timeout}; it was number {told?.Position}. {told?.Message}");
            }

            if (Stopwatch.GetElapsedTime(asked) < RetryInterval)
                await Task.Delay(RetryInterval, cancellationToken);
        }
    }

    /// <summary>Whether it waits already, or is granted: then it is not ours to withdraw.</summary>
    private async Task<bool> IsThereAsync(string id, CancellationToken cancellationToken)
    {
        try
        {
            await agent.SendAsync(HttpMethod.Get, $"waiting/{Escape(id)}", cancellationToken);
            return true;
        }
        catch (LeaseException e) when (e.Error == LeaseError.NotFound)
        {
            return false;
        }
    }

    /// <summary>Withdraws a claim; if it was granted meanwhile, the lease is released.</summary>
    private async Task WithdrawAsync(string id)
    {
        foreach (string kind in (string[])["waiting", "leases"])
        {
            try
            {
                await agent.SendAsync(HttpMethod.Delete, $"{kind}/{Escape(id)}", CancellationToken.None);
                return;
            }
            catch (LeaseException e) when (e.Error is LeaseError.NotFound or LeaseError.Ended)
            {
                // It is not there any more, or is a lease by now.
            }
            catch (AgentGoneException)
            {
                return; // Nobody asks for it any more: it is dropped.
            }
        }
    }
}
