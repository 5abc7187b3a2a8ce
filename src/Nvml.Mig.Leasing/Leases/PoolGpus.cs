using System.Globalization;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// The GPUs of the pool, and what of our instances is on them. They are read when somebody else can have changed them, and not otherwise.
/// </summary>
internal sealed class PoolGpus(Book book, NvmlSession session, LeaseOptions options)
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    private DateTimeOffset Now => options.TimeProvider.GetUtcNow();

    /// <summary>The device of a GPU. The index can have changed since it was read.</summary>
    /// <exception cref="NvmlException">It does not answer, or is gone.</exception>
    public GpuDevice GetDevice(string uuid)
    {
        int index = book.Gpus.Find(uuid)?.Index ?? -1;
        return index >= 0 && index < session.Devices.Count && session.Devices[index].Uuid == uuid
            ? session.Devices[index]
            : session.GetDevice(uuid);
    }

    /// <summary>Enters the GPUs of the machine that can be divided. What was known of one stays.</summary>
    public void FindAll()
    {
        foreach (GpuDevice device in session.Devices)
        {
            try
            {
                if (device.TryGetMigMode() is null)
                    continue;
                GpuEntry entry = book.Gpus.Find(device.Uuid) ?? new GpuEntry(device.Uuid, device.Index, device.Name, "");
                book.Gpus.Put(device.Uuid, entry with { Index = device.Index, Model = device.Name, ReadAt = DateTimeOffset.MinValue });
            }
            catch (NvmlException)
            {
                // A GPU that does not answer is none that can be leased. One that is known is found out when it is read.
            }
        }
    }

    /// <summary>Has the GPUs read again: all, or one.</summary>
    public void Doubt(string? uuid = null)
    {
        foreach (GpuEntry gpu in book.Gpus.Where(g => uuid is null || g.Uuid == uuid))
            book.Gpus.Put(gpu.Uuid, gpu with { ReadAt = DateTimeOffset.MinValue });
    }

    /// <summary>Has those GPUs read again on which a process has died in the middle of a change.</summary>
    public void DoubtUnfinished()
    {
        foreach (InstanceEntry unfinished in book.Instances.Where(i => i.Stage != InstanceStage.Ready))
        {
            if (book.Gpus.Find(unfinished.Place.Gpu) is { ReadAt: null })
                Doubt(unfinished.Place.Gpu);
        }
    }

    /// <summary>
    /// Has those GPUs read again that were not read for long: strangers' instances can have gone. And those where MIG was enabled
    /// meanwhile. True if there is one.
    /// </summary>
    public bool DoubtOld()
    {
        GpuEntry[] old = [.. book.Gpus.Where(
            g => g.ReadAt is null && (g.LastRead + options.ReadInterval <= Now || (!g.HasMig && HasMigNow(g))))];
        foreach (GpuEntry gpu in old)
            Doubt(gpu.Uuid);
        return old.Length > 0;
    }

    /// <summary>A change of a GPU failed: it is read again at once, and if that goes on, after longer and longer.</summary>
    public void Fail(string uuid, NvmlException error)
    {
        if (!book.Gpus.TryGet(uuid, out GpuEntry? gpu))
            return;
        double factor = Math.Pow(2, Math.Min(gpu.Failures - 1, 20));
        TimeSpan delay = gpu.Failures == 0 ? TimeSpan.Zero : TimeSpan.FromTicks(
            (long)Math.Min(FirstDelay.Ticks * factor, LongestDelay.Ticks));
        book.Gpus.Put(uuid, gpu with { Problem = error.Message, Failures = gpu.Failures + 1, ReadAt = Now + delay });
    }

    /// <summary>A change of a GPU worked: the next failure is the first again.</summary>
    public void Succeed(string uuid)
    {
        if (book.Gpus.TryGet(uuid, out GpuEntry? gpu) && gpu.Failures > 0)
            book.Gpus.Put(uuid, gpu with { Failures = 0 });
    }

    /// <summary>Reads the GPUs that are to be read by now. True if one was.</summary>
    public bool ReadDue()
    {
        string journal = DescribeJournal();
        if (journal != book.State.Journal)
        {
            Doubt();
            book.State = book.State with { Journal = journal };
        }

        bool any = false;
        foreach (GpuEntry gpu in book.Gpus.Where(g => g.ReadAt <= Now).OrderBy(g => g.Index))
        {
            any = true;
            try
            {
                Read(gpu);
            }
            catch (NvmlException e)
            {
                Fail(gpu.Uuid, e);
                if (book.Gpus.Find(gpu.Uuid) is { Failures: 1 } failed) // Once more, and not in this round.
                    book.Gpus.Put(gpu.Uuid, failed with { ReadAt = Now + FirstDelay });
            }
            catch (PlanningException e)
            {
                book.Gpus.Put(gpu.Uuid, gpu with { Problem = e.Message, ReadAt = null });
            }
        }

        return any;
    }

    private bool HasMigNow(GpuEntry gpu)
    {
        try
        {
            return GetDevice(gpu.Uuid).TryGetMigMode() is { Current: true };
        }
        catch (NvmlException)
        {
            return false;
        }
    }

    private void Read(GpuEntry gpu)
    {
        GpuDevice device = GetDevice(gpu.Uuid);
        bool isWhole = book.State.Policy.WholeGpus
            || book.InstancesOf(gpu.Uuid).Any(i => WholeGpu.Is(i.Place) && book.LeaseOf(i.Place) is not null);
        if (isWhole && device.GetMigMode() is { Current: false, Pending: false })
        {
            ReadWhole(gpu, device);
            return;
        }

        GpuSnapshot snapshot = device.ReadSnapshot();
        bool hasChanged = false;
        foreach (InstanceEntry entry in book.InstancesOf(gpu.Uuid))
            hasChanged |= Reconcile(device, entry, snapshot.Instances.FirstOrDefault(i => IsAt(i, entry.Place)));
        if (hasChanged)
            return; // It is read again as it is now.

        InstancePlace[] foreign = [.. snapshot.Instances
            .Select(i => new InstancePlace(gpu.Uuid, i.Profile.Id, i.Placement))
            .Where(place => !book.HasInstance(place))];
        string? problem = snapshot.Mode switch
        {
            { Current: false } => $"MIG is disabled on {device}.",
            { Pending: false } => $"MIG is about to be disabled on {device}.",
            _ => null,
        };
        book.Gpus.Put(gpu.Uuid, gpu with
        {
            Geometry = book.Keep(snapshot.Geometry),
            Foreign = foreign,
            HasMig = snapshot.Mode.Current,
            Problem = problem,
            ReadAt = null,
            LastRead = Now,
        });
    }

    /// <summary>A GPU with MIG disabled that is leased whole. A process without a lease has it to itself.</summary>
    private void ReadWhole(GpuEntry gpu, GpuDevice device)
    {
        bool isUsed = device.GetProcesses().Count > 0;
        foreach (InstanceEntry entry in book.InstancesOf(gpu.Uuid))
        {
            if (WholeGpu.Is(entry.Place))
                book.Instances.Put(entry.Key, entry with { IsOccupied = isUsed && book.LeaseOf(entry.Place) is null });
            else
                Reconcile(device, entry, there: null);
        }

        bool isForeign = isUsed && !book.InstancesOf(gpu.Uuid).Any();
        book.Gpus.Put(gpu.Uuid, gpu with
        {
            Geometry = book.Keep(WholeGpu.Describe(device)),
            Foreign = isForeign ? [WholeGpu.PlaceOn(gpu.Uuid)] : [],
            HasMig = false,
            Problem = null,
            ReadAt = null,
            LastRead = Now,
        });
    }

    /// <summary>Makes what the book says of an instance true, whatever died in between. True if the GPU was changed for that.</summary>
    private bool Reconcile(GpuDevice device, InstanceEntry entry, GpuInstanceSnapshot? there)
    {
        if (there is null)
        {
            book.Instances.Remove(entry.Key);
            LoseLeaseOf(entry, "is gone: somebody destroyed it, or the GPU was reset");
            return false;
        }

        bool wasDivided = entry.IsDivided;
        if (wasDivided && book.LeaseOf(entry.Place) is not null)
        {
            ReconcileParts(device, entry, there);
            return false;
        }

        // Fractions have gone, or a process died before the first one came: it is one instance again.
        entry = entry with { IsDivided = false };
        ComputeInstanceSnapshot? whole = there.ComputeInstances is [{ } only] && only.SliceCount == there.Profile.SliceCount ? only : null;
        if (whole is null && wasDivided && entry.Stage != InstanceStage.Ready && there.ComputeInstances.Count > 0)
        {
            DestroyParts(device, there, _ => false);
            return true;
        }

        bool isHalf = wasDivided || entry.Stage != InstanceStage.Ready;
        if (whole is null && isHalf && there.ComputeInstances.Count == 0)
        {
            // Half of it: nobody can have used it. What is to be there is completed, what is to go goes.
            GpuInstance half = device.GetGpuInstance(there.Id!.Value);
            if (entry.Stage == InstanceStage.Destroying)
            {
                half.Destroy();
                book.Instances.Remove(entry.Key);
                return true;
            }

            ComputeInstance created = half.CreateComputeInstance();
            book.Instances.Put(entry.Key, Describe(entry, half.Id, created.Id, created.GetMigDevice().Uuid));
            return true;
        }

        if (whole is { Id: { } id, MigUuid: { } uuid })
        {
            bool isOccupied = there.IsAnythingInUse && book.LeaseOf(entry.Place) is null;
            book.Instances.Put(entry.Key, Describe(entry, there.Id!.Value, id, uuid) with { IsOccupied = isOccupied });
        }
        else
        {
            // Somebody divided it otherwise: it is theirs from now on.
            book.Instances.Remove(entry.Key);
            LoseLeaseOf(entry, "was divided otherwise by somebody");
        }

        return false;
    }

    /// <summary>
    /// Each compute instance is a fraction's. Another one goes if a process has died in the middle of a change; else it is a stranger's.
    /// </summary>
    private void ReconcileParts(GpuDevice device, InstanceEntry entry, GpuInstanceSnapshot there)
    {
        GrantedLease[] fractions = [.. book.Leases.Where(l => l.Fraction is not null && l.Instances[0].Place == entry.Place)];
        if (entry.Stage != InstanceStage.Ready)
            DestroyParts(device, there, id => fractions.Any(f => f.Instances[0].ComputeInstanceId == id));
        foreach (GrantedLease lost in fractions.Where(f => there.ComputeInstances.All(c => c.Id != f.Instances[0].ComputeInstanceId)))
            Lose(lost, entry, "has lost its compute instance: somebody destroyed it");
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Ready, GpuInstanceId = there.Id!.Value });
    }

    /// <summary>The driver refuses those that a process uses.</summary>
    private static void DestroyParts(GpuDevice device, GpuInstanceSnapshot there, Func<int, bool> isKept)
    {
        GpuInstance instance = device.GetGpuInstance(there.Id!.Value);
        foreach (ComputeInstanceSnapshot part in there.ComputeInstances.Where(c => !isKept(c.Id!.Value)))
            instance.GetComputeInstance(part.Id!.Value).Destroy();
    }

    private static InstanceEntry Describe(InstanceEntry entry, int gpuInstance, int computeInstance, string uuid) => entry with
    {
        Stage = InstanceStage.Ready,
        GpuInstanceId = gpuInstance,
        ComputeInstanceId = computeInstance,
        MigUuid = uuid,
    };

    private void LoseLeaseOf(InstanceEntry entry, string what)
    {
        if (book.LeaseOf(entry.Place) is { } lease)
            Lose(lease, entry, what);
    }

    private void Lose(GrantedLease lease, InstanceEntry entry, string what)
    {
        if (lease.Ending?.Reason == LeaseEndReason.Lost)
            return;
        string message = string.Create(
            CultureInfo.InvariantCulture, $"{entry.Profile} at {entry.Place.Placement} of {entry.Place.Gpu} {what}.");
        book.Leases.Put(lease.Id, lease with
        {
            Lease = lease.Lease with { IsEnding = true },
            Ending = new LeaseEnding(LeaseEndReason.Lost, message, Now) { GoneBy = Now },
        });
        book.Report(LeaseEventKind.Lost, lease, Now, message, LeaseEndReason.Lost);
    }

    /// <summary>An apply writes its journal: the file looks different afterwards.</summary>
    private string DescribeJournal()
    {
        FileInfo file = new(Path.Combine(options.JournalFolder, "apply.json"));
        return file.Exists
            ? string.Create(CultureInfo.InvariantCulture, $"{file.LastWriteTimeUtc.Ticks}:{file.Length}")
            : "";
    }

    private static bool IsAt(GpuInstanceSnapshot instance, InstancePlace place) =>
        instance.Profile.Id == place.ProfileId && instance.Placement == place.Placement;
}
