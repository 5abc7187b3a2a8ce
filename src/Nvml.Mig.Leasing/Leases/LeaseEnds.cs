using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// Ends leases, and frees their instances: once the lease is over and no process uses them. Nothing is destroyed for it; a free instance is
/// cached for the next claim.
/// </summary>
internal sealed class LeaseEnds(Book book, PoolGpus gpus, ActivityWatch activity, SharedDevices shared, LeaseOptions options)
{
    /// <summary>How often processes are looked for that keep an instance from being free.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>How often MPS daemons are looked at: without one, programs that start have no limits.</summary>
    private static readonly TimeSpan DaemonInterval = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, ILookup<int?, GpuProcess>?> _processes = new(StringComparer.Ordinal);
    private readonly HashSet<long> _measured = [];
    private DateTimeOffset _now;

    /// <summary>When the next end can be due, without anybody's doing; null: never.</summary>
    public DateTimeOffset? NextTime { get; private set; }

    /// <summary>Ends what is to end by now. True if an instance was freed, or a lease ended.</summary>
    public bool EndDue()
    {
        _now = options.TimeProvider.GetUtcNow();
        _processes.Clear();
        _measured.Clear();
        NextTime = null;
        bool any = false;
        foreach (WaitingEntry claim in book.Claims)
        {
            if (!claim.Claim.IsWhole || !CanHaveClaims(claim.Claim.Queue) || claim.Waiter is { IsRunning: false } || claim.Until <= _now)
            {
                book.Claims.Remove(claim.Claim.Id);
                any = true;
            }
            else if (claim.Until is { } until)
            {
                Expect(until);
            }
        }

        foreach (GrantedLease lease in book.Leases)
        {
            GrantedLease now = lease.Ending is null ? LookAt(lease) : lease;
            any |= now.Ending != lease.Ending;
            if (now != lease)
                book.Leases.Put(lease.Id, now);
            if (now.Ending is not null)
                any |= TryFree(now);
        }

        activity.KeepOnly(_measured);

        foreach (InstanceEntry occupied in book.Instances.Where(i => i.IsOccupied))
        {
            if (UsersOf(occupied) is { Length: 0 })
            {
                book.Instances.Put(occupied.Key, occupied with { IsOccupied = false });
                any = true;
            }
            else
            {
                Expect(_now + LookInterval);
            }
        }

        return any;
    }

    /// <summary>The lease with its end told: for now, or for later if it is taken back with notice.</summary>
    public static GrantedLease Tell(GrantedLease lease, LeaseEnding ending) =>
        lease with { Lease = lease.Lease with { IsEnding = true }, Ending = ending };

    /// <summary>Claims are added without the right to change anything else: the queue can have been deleted or divided just now.</summary>
    private bool CanHaveClaims(string queue) => book.Queues.Find(queue) is not null && book.Queues.All(q => q.Parent != queue);

    private GrantedLease LookAt(GrantedLease lease)
    {
        if (lease.Hold.Process is { } holder && !holder.IsRunning)
            return End(lease, LeaseEndReason.ProcessEnded, $"{holder} has ended.");
        if (lease.Expires is { } expires)
        {
            if (expires <= _now)
                return End(lease, LeaseEndReason.Expired, $"It was not renewed by {expires:u}.");
            Expect(expires);
        }

        if (lease.Fraction is { } fraction)
            return LookAtFraction(lease, fraction);
        if (lease.Shared is not null && !book.FractionsOf(lease.Id).Any())
            return End(lease, LeaseEndReason.Released, "Nobody has a part of it any more.");
        if (lease.Shared is { Backend: SharingBackend.Mps } && TendDaemon(lease) is { } ended)
            return ended;

        if (book.Queues.Find(lease.Lease.Claim.Queue) is not { Idle: not IdlePolicy.Keep } queue)
            return lease;
        bool? isUsed = IsUsed(lease);
        DateTimeOffset? idleSince = isUsed == false ? lease.IdleSince ?? _now : isUsed is null ? null : MeasureQuiet(lease);
        if (idleSince is not { } since)
        {
            Expect(_now + queue.IdleAfter);
            return lease with { IdleSince = null };
        }

        bool isLong = since + queue.IdleAfter <= _now;
        if (!isLong)
            Expect(since + queue.IdleAfter);
        if (!isLong || queue.Idle != IdlePolicy.Release)
            return lease with { IdleSince = since };
        string idle = isUsed == true ? "No process of it has computed anything" : "No process has used it";
        return End(lease, LeaseEndReason.Idle, $"{idle} since {since:u}: queue {queue.Name} does not keep it then.");
    }

    /// <summary>
    /// Sees to the daemon of a device, so that no program starts without limits. The device as it ends, where that cannot be done.
    /// </summary>
    private GrantedLease? TendDaemon(GrantedLease device)
    {
        Expect(_now + DaemonInterval);
        if (shared.Daemons.Runs(device))
        {
            shared.Daemons.ReplaceFailedServer(device, _now);
            return null;
        }

        string death = $"The MPS daemon of {device.Instances[0].MigUuid} has died, and its programs with it.";
        shared.TellDeath(device, $"{death} Another is started, with the same limits.", _now);
        return shared.Daemons.StartAgain(device) is { } failure
            ? End(device, LeaseEndReason.Lost, $"{death} New ones would have no limits, since no other runs: {failure}")
            : null;
    }

    /// <summary>It goes with the device that it is of.</summary>
    private GrantedLease LookAtFraction(GrantedLease lease, GrantedFraction fraction)
    {
        if (book.Leases.Find(fraction.Device) is not { } device)
            return End(lease, LeaseEndReason.Lost, $"{fraction.Device}, which it was a part of, is gone.");
        if (device.Ending is not { } ending)
            return lease;
        book.Report(LeaseEventKind.Reclaiming, lease, _now, ending.Message, ending.Reason);
        return Tell(lease, ending);
    }

    private DateTimeOffset? MeasureQuiet(GrantedLease lease)
    {
        _measured.Add(lease.Generation);
        return activity.QuietSince(lease, EntriesOf(lease), _now);
    }

    private GrantedLease End(GrantedLease lease, LeaseEndReason reason, string message)
    {
        // Who is taken back gets its notice; who has gone needs none.
        DateTimeOffset graceFrom = _now + (IsTakenBack(reason) ? book.State.Policy.Notice : TimeSpan.Zero);
        DateTimeOffset goneBy = graceFrom + (IsTakenBack(reason) ? book.State.Policy.Grace : TimeSpan.Zero);
        GrantedLease ended = Tell(lease, new LeaseEnding(reason, message, _now) { GraceFrom = graceFrom, GoneBy = goneBy });
        if (IsUsed(ended) != false)
            book.Report(LeaseEventKind.Reclaiming, ended, _now, $"{message} Processes still use it.", reason);
        return ended;
    }

    private bool TryFree(GrantedLease lease)
    {
        LeaseEnding ending = lease.Ending!;
        // Without a daemon, whatever the holder starts would have no limits, and all of the device.
        bool canHold = IsTakenBack(ending.Reason)
            || (ending.Reason == LeaseEndReason.Lost && lease.Fraction is { Backend: SharingBackend.Mps });
        HostProcess? holder = lease.Hold.Process is { IsRunning: true } running && canHold ? running : null;
        bool isOver = ending.GoneBy is not { } goneBy || goneBy <= _now
            || (holder is null && lease.Hold.Process is not null)
            || (lease.Shared is not null && !book.FractionsOf(lease.Id).Any());
        if (holder is { } process && lease.Hold.MayEndProcess && IsTakenBack(ending.Reason))
            EndProcess(lease, process);
        if (!isOver)
        {
            Expect(ending.GoneBy!.Value);
            if (ending.GraceFrom > _now)
                Expect(ending.GraceFrom.Value);
            return false;
        }

        // A process that holds the lease can begin to use it at any time, until it has gone.
        if (holder is not null || IsUsed(lease) != false || !IsOne(lease))
        {
            Expect(_now + LookInterval);
            return false;
        }

        foreach (InstanceEntry entry in EntriesOf(lease))
            book.Instances.Put(entry.Key, entry with { LastUid = lease.Lease.Claim.Owner.Uid });
        book.Leases.Remove(lease.Id);
        book.Report(LeaseEventKind.Ended, lease, _now, ending.Message, ending.Reason);
        if (lease.Fraction is not null)
            shared.Leave(lease);
        return true;
    }

    /// <summary>Whether a device has no fractions any more.</summary>
    private bool IsOne(GrantedLease lease) =>
        lease.Shared is null || (!book.FractionsOf(lease.Id).Any() && shared.Unite(lease) is null);

    /// <summary>Asks once, then ends it.</summary>
    private void EndProcess(GrantedLease lease, HostProcess process)
    {
        LeaseEnding ending = lease.Ending!;
        try
        {
            if (ending.GoneBy <= _now)
                process.Kill();
            else if (ending is { WasAsked: false } && ending.GraceFrom <= _now && process.Terminate())
                book.Leases.Put(lease.Id, lease with { Ending = ending with { WasAsked = true } });
        }
        catch (IOException)
        {
            // It is waited for then.
        }
    }

    private static bool IsTakenBack(LeaseEndReason reason) => reason
        is LeaseEndReason.Reclaimed or LeaseEndReason.Preempted or LeaseEndReason.Reserved or LeaseEndReason.Idle or LeaseEndReason.Moved;

    /// <summary>Whether a process uses an instance of the lease; null if the driver does not say.</summary>
    private bool? IsUsed(GrantedLease lease)
    {
        bool? used = false;
        foreach (InstanceEntry entry in EntriesOf(lease))
        {
            switch (UsersOf(entry)?.Where(lease.IsUsedBy).ToArray())
            {
                case null:
                    used = null;
                    break;
                case { Length: > 0 }:
                    return true;
            }
        }

        return used;
    }

    private GpuProcess[]? UsersOf(InstanceEntry entry)
    {
        string gpu = entry.Place.Gpu;
        if (!_processes.TryGetValue(gpu, out ILookup<int?, GpuProcess>? processes))
        {
            try
            {
                processes = gpus.GetDevice(gpu).GetProcesses().ToLookup(p => p.GpuInstanceId);
            }
            catch (NvmlException e)
            {
                gpus.Fail(gpu, e);
            }

            _processes[gpu] = processes;
        }

        int? instance = WholeGpu.Is(entry.Place) ? null : entry.GpuInstanceId;
        return processes is null ? null : [.. processes[instance]];
    }

    /// <summary>The instances of the lease that are there.</summary>
    private IEnumerable<InstanceEntry> EntriesOf(GrantedLease lease) =>
        lease.Lease.Instances
            .Select(place => book.Instances.Find(InstanceEntry.KeyOf(place)) is { } entry && entry.Place == place ? entry : null)
            .OfType<InstanceEntry>();

    private void Expect(DateTimeOffset time)
    {
        if (NextTime is null || time < NextTime)
            NextTime = time;
    }
}
