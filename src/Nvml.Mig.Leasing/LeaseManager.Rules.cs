using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

public sealed partial class LeaseManager
{
    /// <summary>Sets what holds for all queues: delays, notice and grace, and whether users can have each other's instances.</summary>
    /// <param name="policy">The policy. At first, leases that are taken back have a grace of 30 seconds and no
    /// notice, and room is kept for a claim that has waited for 5 minutes.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task SetPolicyAsync(SchedulerOptions policy, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(policy);
        return ChangeRulesAsync(
            () =>
            {
                if (policy.WholeGpus != _book.State.Policy.WholeGpus)
                    _turn.Gpus.Doubt();
                _book.State = _book.State with { Policy = policy };
            },
            cancellationToken);
    }

    /// <summary>Enters a queue, or changes it.</summary>
    /// <param name="queue">The queue as it is to be.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task SetQueueAsync(LeaseQueue queue, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(queue);
        return ChangeRulesAsync(
            () => _book.Queues.Put(
                queue.Name,
                queue with { Created = _book.Queues.Find(queue.Name)?.Created ?? (queue.Created == default ? Now : queue.Created) }),
            cancellationToken);
    }

    /// <summary>Deletes a queue without leases, claims and children.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task DeleteQueueAsync(string name, CancellationToken cancellationToken = default) => ChangeRulesAsync(
        () =>
        {
            if (_book.Queues.Find(name) is null)
                throw new LeaseException(LeaseError.NotFound, $"There is no queue {name}.");
            if (_book.Leases.Any(l => l.Lease.Claim.Queue == name) || _book.Claims.Any(c => c.Claim.Queue == name))
                throw new LeaseException(LeaseError.Invalid, $"Queue {name} has leases or claims.");
            _book.Queues.Remove(name);
        },
        cancellationToken);

    /// <summary>Enters a reservation.</summary>
    /// <param name="reservation">The reservation.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <exception cref="LeaseException">There is no room for all of it.</exception>
    public Task AddReservationAsync(Reservation reservation, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(reservation);
        return ChangeRulesAsync(
            () =>
            {
                if (_book.Reservations.Find(reservation.Id) is not null)
                    throw new LeaseException(LeaseError.Invalid, $"There is a reservation {reservation.Id}.");
                _book.Reservations.Put(reservation.Id, reservation);
                ReservationState state = _turn.Scheduler.Decide(_turn.ToInput()).Reservations
                    .First(r => r.Reservation.Id == reservation.Id);
                if (state.Missing > 0)
                {
                    throw new LeaseException(
                        LeaseError.Impossible, $"There is no room for {state.Missing} of the instances of reservation {reservation.Id}.");
                }
            },
            cancellationToken);
    }

    /// <summary>Deletes a reservation. Leases that use it stay.</summary>
    /// <param name="id">Its name.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task DeleteReservationAsync(string id, CancellationToken cancellationToken = default) => ChangeRulesAsync(
        () =>
        {
            if (_book.Reservations.Find(id) is null)
                throw new LeaseException(LeaseError.NotFound, $"There is no reservation {id}.");
            _book.Reservations.Remove(id);
        },
        cancellationToken);

    /// <summary>Changes queues or reservations, if the scheduler can make sense of what results.</summary>
    private async Task ChangeRulesAsync(Action change, CancellationToken cancellationToken)
    {
        await ChangeAsync(
            () =>
            {
                change();
                try
                {
                    _ = _turn.Scheduler.Decide(_turn.ToInput());
                    return true;
                }
                catch (ArgumentException e)
                {
                    throw new LeaseException(LeaseError.Invalid, e.Message, e); // What the scheduler cannot make sense of.
                }
            },
            cancellationToken).ConfigureAwait(false);
        await GatedAsync(() =>
        {
            _store.PutOnDisk();
            return true;
        }).ConfigureAwait(false);
    }
}
