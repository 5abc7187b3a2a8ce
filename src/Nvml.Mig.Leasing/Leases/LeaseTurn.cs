using Nvml.Mig.Applying;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// One turn of whoever has the right to change GPUs: puts right what a death has left, ends what is to end, decides for all who wait, and
/// does what was decided.
/// </summary>
internal sealed class LeaseTurn : IDisposable
{
    /// <summary>Rounds of deciding in one turn: a round that fails is repeated, and what it frees is handed out in the next.</summary>
    private const int MaxRounds = 20;

    private readonly Book _book;
    private readonly LeaseStore _store;
    private readonly NvmlSession _session;
    private readonly LeaseOptions _options;
    private readonly PoolGpus _gpus;
    private readonly InstanceMaker _maker;
    private readonly ActivityWatch _activity;
    private readonly SharedDevices _shared;
    private readonly LeaseEnds _ends;
    private (SchedulerOptions Policy, Scheduler Scheduler)? _last;

    public LeaseTurn(Book book, LeaseStore store, NvmlSession session, LeaseOptions options)
    {
        _book = book;
        _store = store;
        _session = session;
        _options = options;
        _gpus = new PoolGpus(book, session, options);
        _maker = new InstanceMaker(book, store, _gpus);
        _activity = new ActivityWatch(_gpus);
        _shared = new SharedDevices(book, store, _gpus, options);
        _ends = new LeaseEnds(book, _gpus, _activity, _shared, options);
    }

    private DateTimeOffset Now => _options.TimeProvider.GetUtcNow();

    /// <summary>The scheduler for the policy of the book. It is kept for what it has worked out of the GPUs.</summary>
    public Scheduler Scheduler
    {
        get
        {
            if (_last?.Policy != _book.State.Policy)
                _last = (_book.State.Policy, new Scheduler(_book.State.Policy));
            return _last.Value.Scheduler;
        }
    }

    public Decisions? LastDecisions { get; private set; }

    public PoolGpus Gpus => _gpus;

    public InstanceMaker Maker => _maker;

    public void Run()
    {
        Begin();
        _gpus.DoubtUnfinished();
        for (int round = 0; round < MaxRounds; round++)
        {
            bool again = _gpus.ReadDue();
            // Before ends: a device that was leased in the last round has no fraction yet.
            again |= _shared.GrantRoom(EnterFraction);
            again |= _ends.EndDue();
            again |= Decide();
            // Before a claim waits for room, it is made sure that there is none.
            if (!again && _book.Claims.Count > 0)
                again = _gpus.DoubtOld();
            if (!again)
                break;
        }

        DateTimeOffset?[] times =
        [
            LastDecisions?.NextTime,
            _ends.NextTime,
            .. _book.Gpus.Select(g => g.ReadAt),
            .. _book.Claims.Count > 0 ? _book.Gpus.Select(g => (DateTimeOffset?)g.LastRead + _options.ReadInterval) : [],
        ];
        _book.State = _book.State with { NextTime = times.Min() };
        Promise();
        _store.Commit(_book);
        Promise();
    }

    public void Dispose() => _activity.Dispose();

    /// <inheritdoc cref="BookView.ToInput"/>
    public SchedulerInput ToInput() => BookView.ToInput(_book, Now);

    /// <summary>Records which instances others must not touch, if that has changed.</summary>
    public void Promise()
    {
        PromisedInstance[] promised = [.. _book.Leases
            .Where(l => l.Fraction is null)
            .SelectMany(l => l.Lease.Instances.Select(p => new PromisedInstance(p.Gpu, p.ProfileId, p.Placement, l.Id)
            {
                Process = l.Hold.Process,
                Expires = l.Expires,
            }))
            .OrderBy(p => p.Gpu, StringComparer.Ordinal).ThenBy(p => p.Placement.Start)];
        if (!promised.SequenceEqual(PromisedInstance.ReadAll(_options.JournalFolder)))
            PromisedInstance.WriteAll(_options.JournalFolder, promised);
    }

    /// <summary>Enters a lease on instances that are there.</summary>
    public GrantedLease Enter(
        Claim claim,
        LeaseHold hold,
        IReadOnlyList<InstanceEntry> instances,
        string? reservation,
        GrantOrigin origin,
        SharedDevice? shared = null)
    {
        long generation = _book.State.Generation + 1;
        _book.State = _book.State with { Generation = generation };
        GrantedLease lease = new(
            new Lease(claim.Id, claim, [.. instances.Select(i => i.Place)], Now) { Reservation = reservation },
            generation,
            _options.BootId,
            hold,
            [.. instances.Select(i => i.ToLeased())])
        {
            Expires = Now + hold.Duration,
            Shared = shared,
        };
        _book.Claims.Remove(claim.Id);
        _book.Leases.Put(lease.Id, lease);
        _book.ReportGrant(lease, Now, $"It has {string.Join("; ", lease.Instances)}.", origin);
        Promise();
        _store.Commit(_book);
        return lease;
    }

    /// <summary>Finds out whether this is the same boot and the same driver as that of the book.</summary>
    private void Begin()
    {
        string driver = _session.GetDriverVersion();
        BookState was = _book.State;
        if (was.BootId == _options.BootId && was.Driver == driver)
            return;
        if (was.BootId != _options.BootId)
        {
            // No instance survives a reboot: what the book says of them is of another time.
            foreach (GrantedLease lease in _book.Leases)
            {
                _book.Leases.Remove(lease.Id);
                _book.Report(LeaseEventKind.Ended, lease, Now, "The machine was booted again.", LeaseEndReason.Rebooted);
            }

            foreach (InstanceEntry instance in _book.Instances)
                _book.Instances.Remove(instance.Key);
            foreach (GpuEntry gpu in _book.Gpus.Where(g => g.HasMig))
                EnableAgain(gpu);
        }

        _gpus.FindAll();
        if (_book.Queues.Count == 0)
            _book.Queues.Put(LeaseOptions.DefaultQueue, new LeaseQueue(LeaseOptions.DefaultQueue) { Created = Now });
        _book.State = was with { BootId = _options.BootId, Driver = driver };
    }

    /// <summary>Hopper and newer GPUs lose the MIG mode with a reboot: the pool is to be what it was.</summary>
    private void EnableAgain(GpuEntry gpu)
    {
        try
        {
            GpuDevice device = _gpus.GetDevice(gpu.Uuid);
            if (device.GetMigMode() is { Current: false, Pending: false })
                device.EnableMig();
        }
        catch (NvmlException e)
        {
            _gpus.Fail(gpu.Uuid, e);
        }
    }

    /// <summary>Decides, and does it. True if another round can bring more.</summary>
    private bool Decide()
    {
        Decisions decisions = LastDecisions = Scheduler.Decide(_shared.KeepAway(ToInput()));
        bool again = false;
        foreach (Victim victim in decisions.Victims)
        {
            again = true;
            LeaseEndReason reason = victim.Reason switch
            {
                VictimReason.Reclaim => LeaseEndReason.Reclaimed,
                VictimReason.Preempt => LeaseEndReason.Preempted,
                _ => LeaseEndReason.Reserved,
            };
            Tell(victim.Lease.Id, new LeaseEnding(reason, victim.Message, Now) { GraceFrom = victim.GraceFrom, GoneBy = victim.GoneBy });
            PromiseTo(victim.For);
        }

        // A change that fails leaves instances where others were to be: it is decided anew then.
        again |= decisions.Moves.Count > 0;
        if (!decisions.Moves.All(TryMove) || !decisions.Grants.All(TryGrant))
            return true;
        again |= decisions.Grants.Any(g => g.Claim.Fraction is not null); // A fraction is of the device that was leased for it.
        foreach (Waiting waiting in decisions.Waiting)
            Note(waiting);
        int position = decisions.Waiting.Count;
        foreach ((WaitingEntry follower, WaitingEntry? first) in SharedDevices.FollowersOf(_book))
        {
            if (first is not null)
                Note(new Waiting(follower.Claim, ++position, WaitReason.NoPlace, $"It waits for a device with {first.Claim.Id}."));
        }

        foreach (ReservationState state in decisions.Reservations.Where(s => !s.Kept.SequenceEqual(s.Reservation.Kept)))
            _book.Reservations.Put(state.Reservation.Id, state.Reservation with { Kept = state.Kept });
        return again;
    }

    private void Tell(string id, LeaseEnding ending)
    {
        GrantedLease lease = LeaseEnds.Tell(_book.Leases.Find(id)!, ending);
        _book.Leases.Put(id, lease);
        _book.Report(LeaseEventKind.Reclaiming, lease, Now, ending.Message, ending.Reason);
    }

    private void PromiseTo(string claim)
    {
        if (_book.Claims.TryGet(claim, out WaitingEntry? entry))
            _book.Claims.Put(claim, entry with { IsPromised = true });
    }

    private void Note(Waiting waiting)
    {
        if (!_book.Claims.TryGet(waiting.Claim.Id, out WaitingEntry? entry))
            return;
        // Room that is there and cannot be used is part of the reason.
        bool needsRoom = waiting.Reason is WaitReason.NoPlace or WaitReason.NoSuchProfile;
        string[] problems = needsRoom ? [.. _book.Gpus.OrderBy(g => g.Index).Select(g => g.Problem).OfType<string>()] : [];
        WaitingEntry now = entry with
        {
            Position = waiting.Position,
            Reason = waiting.Reason,
            Message = string.Join(' ', (string?[])[_shared.DescribeFull(entry.Claim), waiting.Message, .. problems]).Trim(),
        };
        if (now != entry)
            _book.Claims.Put(waiting.Claim.Id, now);
    }

    /// <summary>False if it failed: the GPU is read, and there is another decision.</summary>
    private bool TryGrant(Grant grant)
    {
        if (grant.Claim.Fraction is not null)
            return TryOpenDevice(grant);
        if (Obtain(grant.Instances) is not { } instances)
            return false;
        GrantOrigin origin = grant.Instances.Any(i => i.Evicted.Count > 0) ? GrantOrigin.Evicted
            : grant.Instances.All(i => i.IsCached) ? GrantOrigin.Reused
            : GrantOrigin.Created;
        Enter(grant.Claim, _book.Claims.Find(grant.Claim.Id)!.Hold, instances, grant.Reservation, origin);
        return true;
    }

    /// <summary>Leases a device for fractions. The claim gets its part of it in the next round.</summary>
    private bool TryOpenDevice(Grant grant)
    {
        WaitingEntry entry = _book.Claims.Find(grant.Claim.Id)!;
        if (_shared.Describe(entry, grant.Instances[0]) is not { } device
            || Obtain(grant.Instances) is not [{ } instance]
            || !_shared.IsOurs(entry, instance))
        {
            return false;
        }

        try
        {
            if (device.Backend == SharingBackend.ComputeInstances)
                _shared.Divide(instance);
        }
        catch (NvmlException e)
        {
            _gpus.Fail(instance.Place.Gpu, e);
            return false;
        }

        Claim claim = entry.Claim with
        {
            Id = LeaseNames.OfDevice(_book.State.Generation + 1),
            Fraction = null,
            IsRestartable = false,
        };
        Enter(claim, LeaseHold.UntilReleased, [instance], grant.Reservation, GrantOrigin.Created, device);
        return true;
    }

    private GrantedLease EnterFraction(WaitingEntry entry, GrantedLease device, GrantedFraction fraction, LeasedInstance instance)
    {
        long generation = _book.State.Generation + 1;
        _book.State = _book.State with { Generation = generation };
        GrantedLease lease = new(
            new Lease(entry.Claim.Id, entry.Claim, [instance.Place], Now), generation, _options.BootId, entry.Hold, [instance])
        {
            Expires = Now + entry.Hold.Duration,
            Fraction = fraction,
        };
        _book.Claims.Remove(entry.Claim.Id);
        _book.Leases.Put(lease.Id, lease);
        _book.Leases.Put(device.Id, SharedDevices.Keep(device, entry.Claim, Now));
        _book.ReportGrant(lease, Now, $"It has {entry.Claim.Fraction} of {instance}, beside others in {device.Id}.", GrantOrigin.Shared);
        _store.Commit(_book);
        return lease;
    }

    /// <summary>
    /// The lease has the new place at once, and the old one stays taken, under a name of its own, until its processes have gone.
    /// </summary>
    private bool TryMove(Move move)
    {
        if (Obtain([move.To]) is not [{ } created] || _book.Leases.Find(move.Lease.Id) is not { } lease)
            return false;
        int index = lease.Lease.Instances.ToList().IndexOf(move.From);
        GrantedLease left = LeaseEnds.Tell(
            lease with
            {
                Lease = lease.Lease with { Id = LeaseNames.OfPlaceLeft(lease.Id, lease.Generation), Instances = [move.From] },
                Instances = [lease.Instances[index]],
            },
            new LeaseEnding(LeaseEndReason.Moved, move.Message, Now) { GraceFrom = move.GraceFrom, GoneBy = move.GoneBy });
        long generation = _book.State.Generation + 1;
        _book.State = _book.State with { Generation = generation };
        lease = lease with
        {
            Generation = generation,
            Lease = lease.Lease with { Instances = [.. lease.Lease.Instances.Select((p, i) => i == index ? created.Place : p)] },
            Instances = [.. lease.Instances.Select((p, i) => i == index ? created.ToLeased() : p)],
        };
        _book.Leases.Put(lease.Id, lease);
        _book.Leases.Put(left.Id, left);
        PromiseTo(move.For);
        _book.Report(LeaseEventKind.Moved, lease, Now, move.Message);
        Promise();
        _store.Commit(_book);
        return true;
    }

    /// <summary>
    /// Makes the instances of a grant ready. Null if one fails: those that are ready are cached ones then, and nothing is lost.
    /// </summary>
    private List<InstanceEntry>? Obtain(IReadOnlyList<GrantedInstance> wanted)
    {
        List<InstanceEntry> ready = [];
        foreach (GrantedInstance instance in wanted)
        {
            string gpu = instance.Place.Gpu;
            try
            {
                foreach (CachedInstance evicted in instance.Evicted)
                {
                    if (_book.Instances.Find(InstanceEntry.KeyOf(evicted.Place)) is { } entry && entry.Place == evicted.Place)
                        _maker.Destroy(entry);
                }

                if (!instance.IsCached && WholeGpu.Is(instance.Place) && !_maker.IsFree(gpu))
                {
                    _gpus.Doubt(gpu);
                    return null;
                }

                if (!instance.IsCached)
                {
                    ready.Add(_maker.Create(instance.Place, instance.Profile));
                }
                else if (_book.Instances.Find(InstanceEntry.KeyOf(instance.Place)) is { } cached && _maker.CanReuse(cached))
                {
                    ready.Add(cached);
                }
                else
                {
                    _gpus.Doubt(gpu);
                    return null;
                }

                _gpus.Succeed(gpu);
            }
            catch (NvmlException e)
            {
                _gpus.Fail(gpu, e);
                return null;
            }
        }

        return ready;
    }
}
