using System.Diagnostics;
using System.Text.Json;
using Nvml.Mig.Applying;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

public sealed partial class LeaseManager
{
    private DateTimeOffset Now => _options.TimeProvider.GetUtcNow();

    private static async Task<ChangeLock> TakeLockAsync(LeaseOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return await ChangeLock.TakeAsync(options.JournalFolder, options.LockTimeout, TimeProvider.System, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (JournalException e)
        {
            throw new LeaseException(e.IsLocked ? LeaseError.Locked : LeaseError.Store, e.Message, e);
        }
    }

    /// <summary>Uses the book, away from the caller's thread: native calls and the disk block.</summary>
    private async Task<T> GatedAsync<T>(Func<T> work)
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            return await Task.Run(work, CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Changes the book with the right to change GPUs, and brings about what follows.</summary>
    private async Task<T> ChangeAsync<T>(Func<T> change, CancellationToken cancellationToken)
    {
        // Not with the gate: another process can have the right for long, and the book is read meanwhile.
        if (!await _changes.WaitAsync(_options.LockTimeout, cancellationToken).ConfigureAwait(false))
            throw Locked();
        try
        {
            using ChangeLock taken = await TakeLockAsync(_options, cancellationToken).ConfigureAwait(false);
            return await GatedAsync(() =>
            {
                try
                {
                    LoadIfChanged();
                    T result = change();
                    RunTurn();
                    return result;
                }
                catch
                {
                    _version = -1; // The book in memory has changes that were not written.
                    throw;
                }
            }).ConfigureAwait(false);
        }
        finally
        {
            _changes.Release();
        }
    }

    private LeaseException Locked() => new(
        LeaseError.Locked, $"Another process changes GPUs or leases on this machine for longer than {_options.LockTimeout}. Try again.");

    private void LoadIfChanged()
    {
        long version = _store.ReadVersion();
        if (version == _version)
            return;
        _store.Load(_book);
        _version = version;
    }

    /// <summary>
    /// Has the right to change GPUs, and has loaded the book. It is not loaded again here: a claim that somebody adds just now would undo
    /// what the caller has changed in it and not written yet.
    /// </summary>
    private void RunTurn()
    {
        using Activity? span = LeaseTelemetry.Source.StartActivity("nvml.mig.turn");
        try
        {
            _turn.Run();
            _store.NoteTurn(Now);
        }
        catch (Exception e)
        {
            LeaseTelemetry.Fail(span, e);
            _version = -1;
            throw;
        }
    }

    /// <summary>A turn, if nobody else has it or waits for it. False if somebody does: his turn is for all.</summary>
    private bool TryTurn()
    {
        using ChangeLock? taken = ChangeLock.TryTake(_options.JournalFolder);
        LoadIfChanged();
        if (taken is null)
            return false;
        RunTurn();
        return true;
    }

    /// <summary>Whether it is ours to withdraw: not if it is granted, or somebody else waits for the same.</summary>
    private async Task<bool> AddAsync(WaitingEntry entry)
    {
        Claim claim = entry.Claim;
        if (!claim.IsWhole)
            throw new LeaseException(LeaseError.Invalid, $"Claim {claim.Id} has empty entries, or asks for no instance of a kind.");
        LeaseNames.Check(claim.Id);
        if (claim.Requests.Count == 0)
            throw new LeaseException(LeaseError.Invalid, $"Claim {claim.Id} asks for no instance.");
        claim.Fraction?.Check();
        if (claim.Fraction is not null && claim.InstanceCount != 1)
            throw new LeaseException(LeaseError.Invalid, $"Claim {claim.Id} asks for a fraction: that is of one device.");
        while (!await GatedAsync(TryAdd).ConfigureAwait(false))
        {
            bool? waits = await GatedAsync(() => RequireSame(claim)).ConfigureAwait(false);
            if (waits == true)
                return false;
            if (waits == false && await ChangeAsync(() => TakeOver(entry), CancellationToken.None).ConfigureAwait(false))
                return true;
            // It has ended between two looks: it is a new one.
        }

        return true;

        bool TryAdd()
        {
            LoadIfChanged();
            if (_book.Queues.Find(claim.Queue) is null)
                throw new LeaseException(LeaseError.NotFound, $"There is no queue {claim.Queue}. There are: {NameQueues()}.");
            if (_book.Queues.Any(q => q.Parent == claim.Queue))
                throw new LeaseException(LeaseError.Invalid, $"Queue {claim.Queue} has children: claims go to those.");
            if (!_store.TryAdd(entry))
                return false;
            _version = -1;
            return true;
        }
    }

    /// <summary>The process that waited has died: the claim keeps its place, and does not go with it.</summary>
    private bool TakeOver(WaitingEntry entry)
    {
        string id = entry.Claim.Id;
        if (_book.Leases.Find(id) is not null || _book.Claims.Find(id) is { Waiter: null or { IsRunning: true } })
            return false;
        _book.Claims.Put(id, (_book.Claims.Find(id) ?? entry) with { Hold = entry.Hold, Waiter = entry.Waiter, Until = entry.Until });
        return true;
    }

    private string NameQueues() => string.Join(", ", _book.Queues.Select(q => q.Name).Order(StringComparer.Ordinal));

    /// <summary>
    /// The same id again is the same claim. Whether it is granted or somebody waits for it; false if that process has died; null if it has
    /// ended just now.
    /// </summary>
    private bool? RequireSame(Claim claim)
    {
        _version = -1;
        LoadIfChanged();
        WaitingEntry? waiting = _book.Claims.Find(claim.Id);
        Claim? there = waiting?.Claim ?? _book.Leases.Find(claim.Id)?.Lease.Claim;
        if (there is null)
            return null;
        bool isSame = there.Queue == claim.Queue && there.Owner == claim.Owner && there.Fraction == claim.Fraction;
        if (!isSame || !there.Requests.SequenceEqual(claim.Requests))
            throw new LeaseException(LeaseError.Invalid, $"There is another claim {claim.Id}: {string.Join(", ", there.Requests)}.");
        return waiting is not { Waiter.IsRunning: false };
    }

    /// <summary>The lease, if the claim was granted; else the claim as it waits. Takes a turn where that may help.</summary>
    private GrantedLease? Look(string id, out WaitingEntry? waiting)
    {
        (GrantedLease? lease, waiting) = FindInStore(id);
        if (waiting is null || (waiting.Position > 0 && !IsTurnDue()) || !TryTurn())
            return lease;
        waiting = _book.Claims.Find(id);
        return _book.Leases.Find(id);
    }

    private (GrantedLease? Lease, WaitingEntry? Waiting) FindInStore(string id)
    {
        // The claim first: granted between the two looks, it would be neither.
        if (_store.Find("claim", id) is { } claim)
            return (null, Read(claim, BookJson.Default.WaitingEntry));
        return (_store.Find("lease", id) is { } lease ? Read(lease, BookJson.Default.GrantedLease) : null, null);
    }

    private IReadOnlyList<LeaseEvent> LookForEvents(long last)
    {
        if (IsTurnDue())
            TryTurn();
        return _store.ReadEvents(last);
    }

    /// <summary>Whether nobody on the machine has had a turn for a while, or one is due by time.</summary>
    private bool IsTurnDue() =>
        (Now - _store.ReadLastTurn()).Duration() >= TurnInterval
        || (_store.Find("state", "book") is { } state && Read(state, BookJson.Default.BookState).NextTime <= Now);

    private static T Read<T>(string value, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> json) =>
        JsonSerializer.Deserialize(value, json)!;

    /// <summary>
    /// What cannot be shared, and a profile that no GPU has, is not waited for, unless a GPU that may have it does not answer just now.
    /// </summary>
    private async Task<bool> IsHopelessAsync(WaitingEntry waiting) =>
        waiting.Reason == WaitReason.CannotShare
        || (waiting.Reason == WaitReason.NoSuchProfile
            && await GatedAsync(() => _book.Gpus.All(g => g.Problem is null || !g.HasMig)).ConfigureAwait(false));

    private GrantedLease Find(string id, long? generation)
    {
        GrantedLease lease = _book.Leases.Find(id) ?? throw new LeaseException(LeaseError.NotFound, $"There is no lease {id}.");
        return generation is null || lease.Generation == generation
            ? lease
            : throw new LeaseException(LeaseError.Ended, $"Lease {id} is of generation {lease.Generation}, not {generation}.");
    }

    private GrantedLease Adopt(string gpu, int gpuInstanceId, string id, string queue, LeaseOwner owner, LeaseHold hold)
    {
        LeaseNames.Check(id);
        if (_book.Leases.Find(id) is not null || _book.Claims.Find(id) is not null)
            throw new LeaseException(LeaseError.Invalid, $"There is a lease or a claim {id}.");
        if (_book.Queues.Find(queue) is null)
            throw new LeaseException(LeaseError.NotFound, $"There is no queue {queue}. There are: {NameQueues()}.");
        GpuDevice device = _turn.Gpus.GetDevice(gpu);
        GpuInstanceSnapshot there = device.ReadSnapshot().Instances.FirstOrDefault(i => i.Id == gpuInstanceId)
            ?? throw new LeaseException(LeaseError.NotFound, $"There is no GPU instance {gpuInstanceId} on {device}.");
        InstancePlace place = new(device.Uuid, there.Profile.Id, there.Placement);
        if (_book.Instances.Find(InstanceEntry.KeyOf(place)) is { } ours && ours.Place == place)
            throw new LeaseException(LeaseError.Invalid, $"{there} of {device} is leasing's own.");
        if (there.ComputeInstances is not [{ Id: { } compute, MigUuid: { } uuid } whole] || whole.SliceCount != there.Profile.SliceCount)
        {
            throw new LeaseException(
                LeaseError.Invalid, $"{there} of {device} does not have one compute instance that takes the whole of it.");
        }

        InstanceEntry entry = new(place, there.Profile.Name, InstanceStage.Ready)
        {
            GpuInstanceId = gpuInstanceId,
            ComputeInstanceId = compute,
            MigUuid = uuid,
            LastUid = owner.Uid,
        };
        _book.Instances.Put(entry.Key, entry);
        _turn.Gpus.Doubt(device.Uuid);
        Claim claim = new(id, queue, owner, [InstanceRequest.Of(there.Profile.Name)]) { Created = Now };
        return _turn.Enter(claim, hold, [entry], null, GrantOrigin.Adopted);
    }

    /// <summary>Puts aside what an error makes unfit: the instance that it is of, or all of ours on the GPU.</summary>
    private async Task TakeNoteAsync(GpuEvent happened, CancellationToken cancellationToken)
    {
        bool isLost = happened.Kind == GpuEventKinds.GpuLost;
        XidFault? found = happened.Xid is { } number ? XidFault.Find(number) : null;
        if (found is null && !isLost)
            return;
        await ChangeAsync(
            () =>
            {
                if (found is not { } fault)
                {
                    // Nobody may come for a while who finds out: it is read now.
                    _turn.Gpus.Doubt(happened.Device.Uuid);
                    return true;
                }

                int? only = fault.IsOfGpu ? null : happened.GpuInstanceId;
                foreach (InstanceEntry entry in _book.InstancesOf(happened.Device.Uuid)
                    .Where(i => i.Stage == InstanceStage.Ready && (only is null || i.GpuInstanceId == only)))
                    PutAside(entry, $"Xid {happened.Xid}: {fault.Meaning}.");
                return true;
            },
            cancellationToken).ConfigureAwait(false);
    }

    private void PutAside(InstanceEntry entry, string reason)
    {
        _book.Instances.Put(entry.Key, entry with { Quarantine = reason });
        foreach (GrantedLease lease in _book.Leases.Where(l => l.Lease.Instances.Contains(entry.Place)))
        {
            _book.Leases.Put(lease.Id, lease with
            {
                Instances = [.. lease.Instances.Select(i => i.Place == entry.Place ? i with { Quarantine = reason } : i)],
            });
            _book.Report(LeaseEventKind.Quarantined, lease, Now, reason);
        }
    }

    private LeaseOverview Overview() => BookView.ToOverview(_book, _turn.LastDecisions);

    /// <summary>Not Progress, which reports on another thread, later.</summary>
    private sealed class Progress(Action<Waiting> report) : IProgress<Waiting>
    {
        public void Report(Waiting value) => report(value);
    }
}
