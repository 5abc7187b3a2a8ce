using System.Globalization;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Api;

/// <summary>
/// Waits with requests for what they claim. The claim is in the book and waits by itself: it outlives the request, the connection and the
/// agent, until nobody has asked for it for a while.
/// </summary>
internal sealed class ClaimWaiter(
    LeaseManager manager, EventHub hub, SharedReading reading, IOptions<AgentOptions> options, IHostApplicationLifetime lifetime)
{
    /// <summary>How often it is looked without an event: a claim that is dropped is none.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly LimitOptions _limits = options.Value.Limits;

    /// <summary>The lease, or why the claim still waits after the time, or when the agent is about to stop.</summary>
    public async Task<(GrantedLease? Lease, Waiting? Waiting)> WaitAsync(
        Claim claim, LeaseHold hold, TimeSpan time, HostProcess? waiter, CancellationToken cancellationToken)
    {
        await CheckCountAsync(claim);
        TimeSpan wait = time < _limits.MaxWait ? time : _limits.MaxWait;
        DateTimeOffset end = DateTimeOffset.UtcNow + wait;
        using CancellationTokenSource ended =
            CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lifetime.ApplicationStopping);
        // It is listened before it is looked: nothing happens between.
        Task happened = hub.WaitAsync(claim.Id, LookInterval, ended.Token);
        (GrantedLease? Lease, Waiting? Waiting) found = await EnterAsync(claim, hold, wait, waiter, ended.Token, cancellationToken);
        while (found.Lease is null && DateTimeOffset.UtcNow < end && !ended.IsCancellationRequested)
        {
            await happened;
            TimeSpan left = end - DateTimeOffset.UtcNow;
            happened = hub.WaitAsync(claim.Id, left < LookInterval && left > TimeSpan.Zero ? left : LookInterval, ended.Token);
            found = await manager.FindAsync(claim.Id);
            if (found is (null, null))
                throw new LeaseException(LeaseError.Ended, $"Claim {claim.Id} was withdrawn, or its process has ended.");
        }

        return found;
    }

    /// <summary>Enters the claim, and waits for no longer than is asked for until somebody looks at it.</summary>
    private async Task<(GrantedLease? Lease, Waiting? Waiting)> EnterAsync(
        Claim claim, LeaseHold hold, TimeSpan wait, HostProcess? waiter, CancellationToken ended, CancellationToken cancellationToken)
    {
        using CancellationTokenSource late = CancellationTokenSource.CreateLinkedTokenSource(ended);
        late.CancelAfter(wait > LookInterval ? wait : LookInterval);
        try
        {
            return await manager.EnterAsync(claim, hold, wait + _limits.Patience, waiter, late.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return await manager.FindAsync(claim.Id) is var found && found is not (null, null)
                ? found
                : throw new LeaseException(LeaseError.Ended, $"Claim {claim.Id} was withdrawn, or its process has ended.");
        }
    }

    private async Task CheckCountAsync(Claim claim)
    {
        LeaseOverview overview = await reading.ReadAsync();
        int waiting = overview.Waiting.Count(w => w.Claim.Owner.Uid == claim.Owner.Uid && w.Claim.Id != claim.Id);
        if (waiting >= _limits.MaxWaitingPerUser && claim.Owner.Uid != 0)
        {
            throw new LimitException(string.Create(
                CultureInfo.InvariantCulture, $"{waiting} claims of uid {claim.Owner.Uid} wait already: no more may."));
        }
    }
}
