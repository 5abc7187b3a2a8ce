using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>The book as the scheduler and callers see it.</summary>
internal static class BookView
{
    /// <summary>The input of the scheduler. It places the devices that fractions are of, not the fractions.</summary>
    public static SchedulerInput ToInput(Book book, DateTimeOffset now)
    {
        HashSet<string> others = [.. SharedDevices.FollowersOf(book).Select(f => f.Claim.Claim.Id)];
        return new SchedulerInput(
            now,
            [.. book.Gpus.Where(g => g.Geometry.Length > 0).Select(g => ToPool(book, g))],
            [.. book.Queues],
            [.. book.Claims.Select(c => c.Claim).Where(c => !others.Contains(c.Id))],
            [.. book.Leases.Where(l => l.Fraction is null).Select(ToScheduled).Where(l => l.Instances.Count > 0)])
        {
            Promised = [.. book.Claims.Where(c => c.IsPromised).Select(c => c.Claim.Id)],
            Reservations = [.. book.Reservations],
        };

        // An idle lease can be taken back if its queue says so. One that has lost an instance has no place there: it can be a stranger's.
        Lease ToScheduled(GrantedLease lease)
        {
            if (lease.Ending is { Reason: LeaseEndReason.Lost })
                return lease.Lease with { Instances = [.. lease.Lease.Instances.Where(book.HasInstance)] };
            bool isReclaimable = lease.IdleSince is { } since
                && book.Queues.Find(lease.Lease.Claim.Queue) is { Idle: IdlePolicy.Reclaimable } queue
                && since + queue.IdleAfter <= now;
            return isReclaimable
                ? lease.Lease with { Claim = lease.Lease.Claim with { IsPreemptible = true, MinimumRuntime = TimeSpan.Zero } }
                : lease.Lease;
        }
    }

    /// <summary>Where leasing stands.</summary>
    public static LeaseOverview ToOverview(Book book, Decisions? decisions) => new(
        [.. book.Leases.OrderBy(l => l.Lease.Since).ThenBy(l => l.Generation)],
        [.. book.Claims.OrderBy(c => c.Position).Select(c => new Waiting(c.Claim, c.Position, c.Reason, c.Message))],
        decisions?.Shares ?? [],
        decisions?.Reservations ?? [],
        [.. book.Gpus.OrderBy(g => g.Index).Select(g => new GpuOverview(
            g.Uuid,
            g.Index,
            g.Model,
            g.Problem,
            [.. book.InstancesOf(g.Uuid).Where(i => book.LeaseOf(i.Place) is null).Select(i => i.ToLeased())],
            g.Foreign)
        {
            MemorySlices = book.GeometryOf(g).MemorySliceCount is > 0 and var width ? width : null,
        })],
        book.State.Policy);

    private static LeasableGpu ToPool(Book book, GpuEntry gpu)
    {
        InstanceEntry[] free = [.. book.InstancesOf(gpu.Uuid).Where(i => book.LeaseOf(i.Place) is null)];
        bool IsCached(InstanceEntry i) => i is { Stage: InstanceStage.Ready, IsDivided: false, IsOccupied: false, Quarantine: null };
        // A change that failed, or a stranger's, can have left an entry where another instance is. Which of them is there is known once
        // the GPU is read; nothing is put on it before.
        HashSet<InstancePlace> apart = [];
        InstancePlace[] all =
        [
            .. book.InstancesOf(gpu.Uuid).Select(i => i.Place).Except(free.Select(i => i.Place)), .. gpu.Foreign,
            .. free.OrderBy(i => i.Stage == InstanceStage.Ready ? 0 : 1).Select(i => i.Place),
        ];
        foreach (InstancePlace place in all)
        {
            if (!apart.Any(p => p.Placement.Overlaps(place.Placement)))
                apart.Add(place);
        }

        return new LeasableGpu(gpu.Uuid, book.GeometryOf(gpu), gpu.Model)
        {
            Cached = [.. free.Where(i => IsCached(i) && apart.Contains(i.Place)).Select(i => new CachedInstance(i.Place, i.LastUid))],
            Untouchable = [.. gpu.Foreign.Concat(free.Where(i => !IsCached(i)).Select(i => i.Place)).Where(apart.Contains)],
            IsUsable = gpu.Problem is null && apart.Count == all.Length,
        };
    }
}
