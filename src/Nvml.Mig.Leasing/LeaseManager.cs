using System.Diagnostics;
using System.Runtime.CompilerServices;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

/// <summary>
/// Grants leases of MIG instances on this machine, ends them, and keeps instances and book equal. Any number of processes of a machine can
/// do that at the same time, and there need be no daemon: whoever waits decides for all, one at a time.
/// </summary>
/// <remarks>
/// <para>
/// The book is <c>leases.db</c> in the journal's folder. Every change of a GPU is written there before it is made: after the death of a
/// process at any point the next one puts things right. GPUs with MIG enabled are the pool; instances that leasing did not create are left
/// alone. Leases end with a reboot.
/// </para>
/// <para>
/// A lease that has ended keeps its instances until no process uses them. Then they are cached for the next claim of the same user. What a
/// lease has, an apply, a rollback and an exclusive run of the same journal folder leave as it is.
/// </para>
/// <para>
/// Needs root, or the MIG config capability and a journal folder of its own. Members throw <see cref="LeaseException"/>, its
/// <see cref="LeaseException.Error"/> says which kind, and <see cref="NvmlException"/> if the driver does not answer at all; a GPU that
/// fails is left out, and tried again.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// using NvmlSession session = NvmlSession.Open();
/// using LeaseManager manager = await LeaseManager.OpenAsync(session);
/// Claim claim = new("train-1", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of("1g.10gb")]);
/// GrantedLease lease = await manager.ClaimAsync(claim, LeaseHold.WhileThisProcessRuns);
/// Console.WriteLine(lease.Environment["CUDA_VISIBLE_DEVICES"]);
/// await manager.ReleaseAsync(lease.Id);
/// </code>
/// </example>
public sealed partial class LeaseManager : IDisposable
{
    /// <summary>How often it is looked whether a claim was granted by another process.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(20);

    /// <summary>The same for one that has waited long: a twentieth of that more does not matter, and many that wait cost little.</summary>
    private static readonly TimeSpan LongestLookInterval = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// How often one of the waiting processes looks for what can have ended: processes give no notice of it. One, not each of them: of many
    /// the turns would take all of the time.
    /// </summary>
    private static readonly TimeSpan TurnInterval = TimeSpan.FromMilliseconds(250);

    private readonly NvmlSession _session;
    private readonly LeaseOptions _options;
    private readonly LeaseStore _store;
    private readonly Book _book = new();
    private readonly LeaseTurn _turn;
    private readonly SemaphoreSlim _gate = new(1, 1);

    /// <summary>Those of this process that change something, one after the other.</summary>
    private readonly SemaphoreSlim _changes = new(1, 1);
    private long _version = -1;

    private LeaseManager(NvmlSession session, LeaseOptions options, LeaseStore store)
    {
        _session = session;
        _options = options;
        _store = store;
        _turn = new LeaseTurn(_book, store, session, options);
    }

    /// <summary>Opens the book, and puts right what a process has left that died.</summary>
    /// <param name="session">A session on this machine. The caller closes it, after the manager.</param>
    /// <param name="options">How leases are kept.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public static async Task<LeaseManager> OpenAsync(
        NvmlSession session, LeaseOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        options ??= new LeaseOptions();
        using (await TakeLockAsync(options, cancellationToken).ConfigureAwait(false))
        {
            LeaseManager manager = new(session, options, LeaseStore.Open(options.JournalFolder));
            try
            {
                await Task.Run(
                    () =>
                    {
                        manager.LoadIfChanged();
                        manager.RunTurn();
                    },
                    CancellationToken.None).ConfigureAwait(false);
                return manager;
            }
            catch
            {
                manager.Dispose();
                throw;
            }
        }
    }

    /// <summary>Claims instances, and waits until they are granted.</summary>
    /// <param name="claim">
    /// The claim. Its id makes it idempotent: the same claim again gets the lease that there is, another of that name is an error.
    /// </param>
    /// <param name="hold">How long the lease is to last.</param>
    /// <param name="timeout">How long to wait; null: without end.</param>
    /// <param name="progress">Is told why it waits and at which position, whenever that changes.</param>
    /// <param name="cancellationToken">Withdraws the claim, unless somebody else waits for the same.</param>
    /// <returns>The lease.</returns>
    /// <exception cref="LeaseException">
    /// It was not granted in time, or it can never be: no GPU has such a profile, or it is more than a queue can ever have.
    /// </exception>
    public async Task<GrantedLease> ClaimAsync(
        Claim claim,
        LeaseHold hold,
        TimeSpan? timeout = null,
        IProgress<Waiting>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(claim);
        ArgumentNullException.ThrowIfNull(hold);
        using Activity? span = LeaseTelemetry.StartClaim(claim);
        DateTimeOffset start = Now;
        if (claim.Created == default)
            claim = claim with { Created = start };
        // It is dropped by itself too: who cannot change the book in time cannot withdraw it either.
        bool isBounded = timeout is not null && _options.LockTimeout >= TimeSpan.Zero;
        DateTimeOffset? until = isBounded ? start + timeout + _options.LockTimeout : null;
        bool isOurs = await AddAsync(new WaitingEntry(claim, hold, HostProcess.Current) { Until = until }).ConfigureAwait(false);
        if (!isOurs)
            await GatedAsync(() => _store.Extend(claim.Id, until ?? DateTimeOffset.MaxValue)).ConfigureAwait(false);
        Waiting? told = null;
        try
        {
            while (true)
            {
                WaitingEntry? waiting = null;
                GrantedLease? lease = await GatedAsync(() => Look(claim.Id, out waiting)).ConfigureAwait(false);
                if (lease is not null)
                    return lease;
                if (Now >= until && waiting is not { Position: > 0 })
                    throw Locked();
                if (waiting is null)
                    throw await GatedAsync(() => SayWhyGone(claim)).ConfigureAwait(false);
                if (waiting.Position > 0)
                {
                    if (await IsHopelessAsync(waiting).ConfigureAwait(false))
                        throw new LeaseException(LeaseError.Impossible, waiting.Message);
                    Waiting now = new(claim, waiting.Position, waiting.Reason, waiting.Message);
                    if (now != told)
                        progress?.Report(told = now);
                    if (Now - start >= timeout)
                    {
                        string when = timeout == TimeSpan.Zero ? "cannot be granted now" : $"was not granted within {timeout}";
                        throw new LeaseException(
                            LeaseError.Timeout, $"Claim {claim.Id} {when}; it was number {waiting.Position}. {waiting.Message}");
                    }
                }

                TimeSpan pause = waiting.Position == 0 ? LookInterval / 4
                    : TimeSpan.FromTicks(Math.Clamp((Now - start).Ticks / 20, LookInterval.Ticks, LongestLookInterval.Ticks));
                await Task.Delay(pause, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            LeaseTelemetry.Fail(span, e);
            if (isOurs && e is not LeaseException { Error: LeaseError.Locked })
                await WithdrawAsync(claim.Id, claim.Owner, CancellationToken.None).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Claims instances if they can be had now.</summary>
    /// <inheritdoc cref="ClaimAsync"/>
    /// <returns>The lease, or why it would have to wait.</returns>
    public async Task<(GrantedLease? Lease, Waiting? Waiting)> TryClaimAsync(
        Claim claim, LeaseHold hold, CancellationToken cancellationToken = default)
    {
        Waiting? last = null;
        try
        {
            Progress told = new(waiting => last = waiting);
            return (await ClaimAsync(claim, hold, TimeSpan.Zero, told, cancellationToken).ConfigureAwait(false), null);
        }
        catch (LeaseException e) when (e.Error == LeaseError.Timeout)
        {
            return (null, last);
        }
    }

    /// <summary>Ends a lease. Its instances are free once no process uses them.</summary>
    /// <param name="id">The lease's name.</param>
    /// <param name="generation">The generation that is meant; null: whichever there is.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <exception cref="LeaseException">There is no such lease, or it is of another generation.</exception>
    public Task ReleaseAsync(string id, long? generation = null, CancellationToken cancellationToken = default) =>
        ChangeAsync(
            () =>
            {
                GrantedLease lease = Find(id, generation);
                LeaseEnding ending = new(LeaseEndReason.Released, "It was released.", Now) { GoneBy = Now };
                _book.Leases.Put(id, LeaseEnds.Tell(lease, ending));
                return true;
            },
            cancellationToken);

    /// <summary>Makes a lease last from now for its duration, or for another one.</summary>
    /// <inheritdoc cref="ReleaseAsync"/>
    /// <param name="id">The lease's name.</param>
    /// <param name="duration">The new duration; null: the one that it has.</param>
    /// <param name="generation">The generation that is meant; null: whichever there is.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <returns>The lease.</returns>
    public Task<GrantedLease> RenewAsync(
        string id, TimeSpan? duration = null, long? generation = null, CancellationToken cancellationToken = default) =>
        ChangeAsync(
            () =>
            {
                GrantedLease lease = Find(id, generation);
                if (lease.Ending is { } ending)
                    throw new LeaseException(LeaseError.Ended, $"Lease {id} ends and cannot be renewed: {ending.Message}");
                if ((duration ?? lease.Hold.Duration) is not { } time)
                    throw new LeaseException(LeaseError.Invalid, $"Lease {id} does not end by time.");
                GrantedLease renewed = lease with { Hold = lease.Hold with { Duration = time }, Expires = Now + time };
                _book.Leases.Put(id, renewed);
                return renewed;
            },
            cancellationToken);

    /// <summary>Takes over an instance that leasing did not create, as a lease.</summary>
    /// <param name="gpu">The UUID of its GPU.</param>
    /// <param name="gpuInstanceId">The id of the GPU instance. It must have one compute instance that takes the whole of it.</param>
    /// <param name="id">The lease's name.</param>
    /// <param name="queue">The queue that it counts for.</param>
    /// <param name="owner">Its owner.</param>
    /// <param name="hold">How long the lease is to last.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <returns>The lease.</returns>
    public Task<GrantedLease> AdoptAsync(
        string gpu,
        int gpuInstanceId,
        string id,
        string queue,
        LeaseOwner owner,
        LeaseHold hold,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(id);
        return ChangeAsync(() => Adopt(gpu, gpuInstanceId, id, queue, owner, hold), cancellationToken);
    }

    /// <summary>
    /// Destroys instances that nobody leases or uses: cached ones, and those with a fault. They are created anew for the claims that need
    /// them.
    /// </summary>
    /// <param name="gpu">The UUID of a GPU; null: all.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    /// <returns>The instances that were destroyed.</returns>
    /// <exception cref="NvmlException">One cannot be destroyed.</exception>
    public Task<IReadOnlyList<LeasedInstance>> ClearAsync(string? gpu = null, CancellationToken cancellationToken = default) =>
        ChangeAsync<IReadOnlyList<LeasedInstance>>(
            () =>
            {
                List<LeasedInstance> cleared = [];
                foreach (InstanceEntry entry in _book.Instances
                    .Where(i => (gpu is null || i.Place.Gpu == gpu) && !i.IsOccupied && _book.LeaseOf(i.Place) is null))
                {
                    try
                    {
                        _turn.Maker.Destroy(entry);
                    }
                    catch (NvmlException)
                    {
                        _turn.Gpus.Doubt(entry.Place.Gpu);
                        _store.Commit(_book);
                        throw;
                    }

                    cleared.Add(entry.ToLeased());
                }

                return cleared;
            },
            cancellationToken);

    /// <summary>
    /// Puts an instance aside that has a fault: its lease is told, and nobody gets it until <see cref="ClearAsync"/> has destroyed it.
    /// </summary>
    /// <param name="place">Where it is.</param>
    /// <param name="reason">What is wrong with it.</param>
    /// <param name="cancellationToken">Ends the wait for another process.</param>
    public Task QuarantineAsync(InstancePlace place, string reason, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(place);
        return ChangeAsync(
            () =>
            {
                if (_book.Instances.Find(InstanceEntry.KeyOf(place)) is not { } entry || entry.Place != place)
                    throw new LeaseException(LeaseError.NotFound, $"Leasing has no instance at {place.Placement} of {place.Gpu}.");
                PutAside(entry, reason);
                return true;
            },
            cancellationToken);
    }

    /// <summary>
    /// Watches the GPUs for errors after which an instance is unfit, and puts it aside as <see cref="QuarantineAsync"/> does:
    /// docs/leases.md has the numbers. One process of the machine that does it will do.
    /// </summary>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="NvmlNotSupportedException">No GPU reports such errors.</exception>
    public async Task WatchFaultsAsync(CancellationToken cancellationToken)
    {
        using GpuEventWatcher watcher = _session.WatchEvents(GpuEventKinds.Xid);
        await foreach (GpuEvent happened in watcher.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            await TakeNoteAsync(happened, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Shows all: leases, who waits and why, queues and what is theirs, reservations, and the GPUs.</summary>
    /// <remarks>While another process changes GPUs, it shows what the book says.</remarks>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<LeaseOverview> ReadAsync(CancellationToken cancellationToken = default)
    {
        await GatedAsync(TryTurn).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return await GatedAsync(Overview).ConfigureAwait(false);
    }

    /// <summary>What happens to leases from now on, by any process of the machine. Meanwhile ends that are due are brought about.</summary>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<LeaseEvent> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        long last = await GatedAsync(_store.ReadLastEvent).ConfigureAwait(false);
        await foreach (LeaseEvent happened in WatchAsync(last, cancellationToken).ConfigureAwait(false))
            yield return happened;
    }

    /// <summary>The events after an event, as far as the book still has them (10,000), and those to come.</summary>
    /// <inheritdoc cref="WatchAsync(CancellationToken)"/>
    /// <param name="after">The <see cref="LeaseEvent.Sequence"/> of the event; 0: all.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<LeaseEvent> WatchAsync(
        long after, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        long last = after;
        while (true)
        {
            foreach (LeaseEvent happened in await GatedAsync(() => LookForEvents(last)).ConfigureAwait(false))
            {
                last = happened.Sequence;
                yield return happened;
            }

            await Task.Delay(LookInterval, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Closes the book. Leases stay: they hang on their processes and times, not on this object.</summary>
    public void Dispose()
    {
        _turn.Dispose();
        _store.Dispose();
        _gate.Dispose();
        _changes.Dispose();
    }
}
