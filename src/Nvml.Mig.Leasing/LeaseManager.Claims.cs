using System.Diagnostics;
using Nvml.Mig.Applying;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

/// <summary>Claims of callers that wait elsewhere: an agent enters them, and outlives neither its clients nor they it.</summary>
public sealed partial class LeaseManager
{
    /// <summary>
    /// Enters a claim that waits by itself: no process need wait for it, so that it outlives this one. It is dropped when nobody has
    /// entered it again for a time, or with the process that wants it.
    /// </summary>
    /// <param name="claim">The claim. The same claim again is the one that waits, and keeps it waiting.</param>
    /// <param name="hold">How long the lease is to last.</param>
    /// <param name="patience">How long it waits without being entered again.</param>
    /// <param name="waiter">
    /// The process that wants it: the claim is dropped when that ends. Null: the one that its lease is to last with, if there is one.
    /// </param>
    /// <param name="cancellationToken">Ends the call; the claim waits on.</param>
    /// <returns>The lease, or why it waits.</returns>
    /// <exception cref="LeaseException">
    /// It can never be granted, was withdrawn by somebody else just now, or its lease has ended already.
    /// </exception>
    public async Task<(GrantedLease? Lease, Waiting? Waiting)> EnterAsync(
        Claim claim,
        LeaseHold hold,
        TimeSpan patience,
        HostProcess? waiter = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(claim);
        ArgumentNullException.ThrowIfNull(hold);
        using Activity? span = LeaseTelemetry.StartClaim(claim);
        if (claim.Created == default)
            claim = claim with { Created = Now };
        DateTimeOffset until = Now + patience;
        await AddAsync(new WaitingEntry(claim, hold, waiter ?? hold.Process) { Until = until }).ConfigureAwait(false);
        while (true)
        {
            (GrantedLease? lease, WaitingEntry? waiting) = await GatedAsync(() => Extend(claim.Id, until)).ConfigureAwait(false);
            if (lease is not null)
                return (lease, null);
            if (waiting is null)
                throw await GatedAsync(() => SayWhyGone(claim)).ConfigureAwait(false);
            if (waiting.Position > 0 && await IsHopelessAsync(waiting).ConfigureAwait(false))
            {
                await WithdrawAsync(claim.Id, claim.Owner, CancellationToken.None).ConfigureAwait(false);
                throw new LeaseException(LeaseError.Impossible, waiting.Message);
            }

            if (waiting.Position > 0)
                return (null, ToWaiting(waiting));
            await Task.Delay(LookInterval, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Finds a lease or a claim that waits, as the book has it: no GPU is asked, and nothing is decided.</summary>
    /// <param name="id">Its name.</param>
    /// <returns>The lease, or the claim, or neither.</returns>
    public Task<(GrantedLease? Lease, Waiting? Waiting)> FindAsync(string id)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return GatedAsync<(GrantedLease?, Waiting?)>(() =>
        {
            (GrantedLease? lease, WaitingEntry? waiting) = FindInStore(id);
            return (lease, waiting is null ? null : ToWaiting(waiting));
        });
    }

    /// <summary>Withdraws a claim that waits. If it was granted meanwhile, the lease is released.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="owner">The owner that is meant: another's claim of the name is left alone. Null: whosever it is.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task WithdrawAsync(string id, LeaseOwner? owner = null, CancellationToken cancellationToken = default) =>
        ChangeAsync(
            () =>
            {
                if (owner is not null && (_book.Claims.Find(id)?.Claim ?? _book.Leases.Find(id)?.Lease.Claim)?.Owner != owner)
                    return false;
                _book.Claims.Remove(id);
                LeaseEnding withdrawn = new(LeaseEndReason.Released, "It was withdrawn.", Now) { GoneBy = Now };
                if (_book.Leases.Find(id) is { Ending: null } lease)
                    _book.Leases.Put(id, LeaseEnds.Tell(lease, withdrawn));
                return true;
            },
            cancellationToken);

    /// <summary>A claim that neither waits nor is granted: a short lease can have ended between two looks.</summary>
    private LeaseException SayWhyGone(Claim claim)
    {
        LeaseEvent? last = _store.ReadEvents(after: 0).LastOrDefault(e => e.Lease == claim.Id && e.Time >= claim.Created);
        return new LeaseException(
            LeaseError.Ended,
            last?.Kind == LeaseEventKind.Ended
                ? $"Claim {claim.Id} was granted, and its lease has ended meanwhile: {last.Message}"
                : $"Claim {claim.Id} was withdrawn by somebody else, or its queue takes no claims any more.");
    }

    private static Waiting ToWaiting(WaitingEntry entry) => new(
        entry.Claim,
        entry.Position,
        entry.Reason,
        entry.Position > 0 ? entry.Message : "It is looked at when whoever changes GPUs just now has done.");

    /// <summary>Keeps a claim waiting, and takes a turn for it. While somebody else changes GPUs, it shows what the book says.</summary>
    private (GrantedLease?, WaitingEntry?) Extend(string id, DateTimeOffset until)
    {
        using ChangeLock? taken = ChangeLock.TryTake(_options.JournalFolder);
        if (taken is null)
            _store.Extend(id, until); // Somebody can have the right for longer than the claim would wait.
        LoadIfChanged();
        if (taken is not null)
        {
            if (_book.Claims.Find(id) is { Until: { } was } entry && was < until)
                _book.Claims.Put(id, entry with { Until = until });
            RunTurn();
        }

        return (_book.Leases.Find(id), _book.Claims.Find(id));
    }
}
