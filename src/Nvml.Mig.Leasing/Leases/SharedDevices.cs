using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// Devices that are leased in fractions. The scheduler places the device, as a lease of its own; who gets a part of it is decided here:
/// claims of one user in one queue that ask for parts of the same kind of device share one as long as it has room.
/// </summary>
internal sealed class SharedDevices(Book book, LeaseStore store, PoolGpus gpus, LeaseOptions options)
{
    /// <summary>By it a process tells which fraction it is of: of one device all have the same UUID.</summary>
    public const string GenerationVariable = "NVMIG_GENERATION";

    private const string LeaseVariable = "NVMIG_LEASE";

    /// <summary>As many clients as a server of MPS has on a whole GPU, from Volta on: NVIDIA's documentation of MPS.</summary>
    private const int MostClients = 48;

    private readonly Dictionary<string, string> _troubles = new(StringComparer.Ordinal);

    public SharingDaemons Daemons { get; } = new(book, options);

    /// <summary>
    /// Claims for fractions that another one goes before: it gets a device, or room on one, and they see then. And those that were refused.
    /// </summary>
    public static IEnumerable<(WaitingEntry Claim, WaitingEntry? First)> FollowersOf(Book book)
    {
        Dictionary<DeviceKey, WaitingEntry> first = [];
        foreach (WaitingEntry entry in book.Claims.Where(c => c.Claim.Fraction is not null)
            .OrderBy(c => c.Claim.Created).ThenBy(c => c.Claim.Id, StringComparer.Ordinal))
        {
            if (entry.Reason == WaitReason.CannotShare)
                yield return (entry, null);
            else if (!first.TryAdd(DeviceKey.Of(entry.Claim, entry.Claim.Fraction!), entry))
                yield return (entry, first[DeviceKey.Of(entry.Claim, entry.Claim.Fraction!)]);
        }
    }

    /// <summary>Gives claims parts of devices that have room. True if one got its part.</summary>
    public bool GrantRoom(Func<WaitingEntry, GrantedLease, GrantedFraction, LeasedInstance, GrantedLease> enter)
    {
        bool any = false;
        DateTimeOffset now = options.TimeProvider.GetUtcNow();
        foreach (WaitingEntry entry in book.Claims.Where(c => IsWaiting(c, now))
            .OrderBy(c => c.Claim.Created).ThenBy(c => c.Claim.Id, StringComparer.Ordinal))
        {
            Fraction wanted = entry.Claim.Fraction!;
            DeviceKey key = DeviceKey.Of(entry.Claim, wanted);
            IEnumerable<GrantedLease> devices = book.Leases
                .Where(l => l.Shared is not null && l.Ending is null && DeviceKey.Of(l) == key && l.Instances[0].Quarantine is null)
                .Where(l => WhyNot(l.Shared!, Resolve(wanted, l.Id, l.Shared!), book.FractionsOf(l.Id)) is null)
                .OrderByDescending(l => book.FractionsOf(l.Id).Sum(f => f.Fraction!.MemoryRequestMiB + f.Fraction.ComputeSlices))
                .ThenBy(l => l.Generation);
            // Where the slices would do, their places may not: then the next one is tried.
            any |= devices.ToArray().Any(device => TryJoin(entry, device, enter));
        }

        return any;
    }

    /// <summary>
    /// Why the devices that a claim could share have no room for it, or there are none; null if that is not known, or it is for no
    /// fraction.
    /// </summary>
    public string? DescribeFull(Claim claim)
    {
        if (claim.Requests[0].Profile == WholeGpu.ProfileName && !book.State.Policy.WholeGpus)
            return "Whole GPUs are leased only where the policy says so (nvmig lease policy --whole-gpus true).";
        if (claim.Fraction is not { } wanted)
            return null;
        DeviceKey key = DeviceKey.Of(claim, wanted);
        string[] full = [.. book.Leases.Where(l => l.Shared is not null && l.Ending is null && DeviceKey.Of(l) == key)
            .Select(l => WhyNot(l.Shared!, Resolve(wanted, l.Id, l.Shared!), book.FractionsOf(l.Id)) is { } why
                ? $"{l.Id} has no room for it: with the others, {why}"
                : _troubles.GetValueOrDefault(l.Id))
            .OfType<string>()];
        return full.Length > 0 ? string.Join(' ', full) : null;
    }

    /// <summary>What a device is that a claim for a fraction opens. Null, and the claim is refused, if it is too small for it.</summary>
    public SharedDevice? Describe(WaitingEntry entry, GrantedInstance instance)
    {
        Fraction wanted = entry.Claim.Fraction!;
        GpuInstanceProfile profile = book.GeometryOf(book.Gpus.Find(instance.Place.Gpu)!).Profiles
            .First(p => p.Profile.Id == instance.Place.ProfileId).Profile;
        SharedDevice device = new(wanted.Backend, wanted.Mode, MpsBudget.UsableMiB(profile.MemoryMiB), profile.SliceCount);
        if (WhyNot(device, Resolve(wanted, "", device), []) is not { } why)
            return device;
        Refuse(entry, profile.Name, why);
        return null;
    }

    /// <summary>
    /// Keeps claims for parts of whole GPUs away from those that cannot be shared just now. One for which there is no other is refused.
    /// </summary>
    public SchedulerInput KeepAway(SchedulerInput input)
    {
        LeasableGpu[] whole = [.. input.Gpus.Where(g => g.Geometry.Profiles.Any(p => p.Profile.Id == WholeGpu.ProfileId))];
        if (whole.Length == 0 || !input.Claims.Any(c => c.Fraction is not null))
            return input;
        IReadOnlyList<HostProcess>? others = null;
        Dictionary<string, string?> reasons = new(StringComparer.Ordinal);
        return input with { Claims = [.. input.Claims.Select(Keep).OfType<Claim>()] };

        Claim? Keep(Claim claim)
        {
            if (claim.Fraction is not { } wanted || claim.Requests[0].Profile is not (null or WholeGpu.ProfileName))
                return claim;
            LeasableGpu[] open = [.. whole.Where(g => (claim.Gpus.Count == 0 || claim.Gpus.Contains(g.Id, StringComparer.Ordinal))
                && (claim.Models.Count == 0 || claim.Models.Contains(g.Model, StringComparer.OrdinalIgnoreCase)))];
            string[] closed = [.. open.Select(g => g.Id).Where(id => WhyNot(id, wanted) is not null)];
            if (closed.Length == 0)
                return claim;
            IEnumerable<string> all = claim.Gpus.Count > 0 ? claim.Gpus : input.Gpus.Select(g => g.Id);
            string[] left = [.. all.Except(closed, StringComparer.Ordinal)];
            // None in the list would be any.
            if (left.Length > 0 && (closed.Length < open.Length || claim.Requests[0].Profile is null))
                return claim with { Gpus = left };
            Refuse(book.Claims.Find(claim.Id)!, WholeGpu.ProfileName, WhyNot(closed[0], wanted)!);
            return null;
        }

        string? WhyNot(string gpu, Fraction wanted)
        {
            if (wanted.Backend == SharingBackend.ComputeInstances)
                return "A GPU with MIG disabled has no compute instances.";
            if (!reasons.TryGetValue(gpu, out string? why))
                reasons[gpu] = why = WhyNotWhole(gpu, others ??= Daemons.FindOthers());
            return why;
        }
    }

    /// <summary>Whether a MIG device that is there now can be shared. If not, the claim is refused.</summary>
    public bool IsOurs(WaitingEntry entry, InstanceEntry instance)
    {
        if (entry.Claim.Fraction!.Backend != SharingBackend.Mps
            || SharingDaemons.WhyNot(instance.MigUuid, Daemons.FindOthers()) is not { } why)
            return true;
        Refuse(entry, instance.Profile, why);
        return false;
    }

    /// <summary>
    /// The device is taken back as a whole: so it is kept for as long as each of its fractions, and used since the last came.
    /// </summary>
    public static GrantedLease Keep(GrantedLease device, Claim claim, DateTimeOffset now)
    {
        TimeSpan until = claim.MinimumRuntime > TimeSpan.Zero ? now - device.Lease.Since + claim.MinimumRuntime : TimeSpan.Zero;
        Claim own = device.Lease.Claim;
        return device with
        {
            IdleSince = null,
            Lease = device.Lease with { Claim = own with { MinimumRuntime = until > own.MinimumRuntime ? until : own.MinimumRuntime } },
        };
    }

    /// <summary>Takes the one compute instance out of it that was for all of it: fractions get their own.</summary>
    /// <exception cref="NvmlException">It cannot be done. What there is of it is found when the GPU is read.</exception>
    public void Divide(InstanceEntry entry)
    {
        book.Instances.Put(entry.Key, entry = entry with { IsDivided = true, Stage = InstanceStage.Creating });
        store.Commit(book);
        GpuInstance instance = gpus.GetDevice(entry.Place.Gpu).GetGpuInstance(entry.GpuInstanceId);
        instance.GetComputeInstance(entry.ComputeInstanceId).Destroy();
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Ready });
    }

    /// <summary>A fraction has gone: programs of others that start next have what is theirs now.</summary>
    public void Leave(GrantedLease lease)
    {
        if (book.Leases.Find(lease.Fraction!.Device) is not { } device)
            return;
        if (lease.Fraction.Backend == SharingBackend.Mps)
        {
            Daemons.LowerCaps(device);
            return;
        }

        if (book.Instances.Find(InstanceEntry.KeyOf(lease.Instances[0].Place)) is not { IsDivided: true } entry)
            return;
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Creating });
        store.Commit(book);
        try
        {
            GpuInstance instance = gpus.GetDevice(entry.Place.Gpu).GetGpuInstance(entry.GpuInstanceId);
            instance.GetComputeInstance(lease.Instances[0].ComputeInstanceId).Destroy();
            book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Ready });
        }
        catch (NvmlException e)
        {
            gpus.Fail(entry.Place.Gpu, e); // It is read again, and what nobody leases is destroyed then.
        }
    }

    /// <summary>
    /// Tells the fractions of a device that its daemon has died. It is written before another one is started: after that nobody would know.
    /// </summary>
    public void TellDeath(GrantedLease device, string message, DateTimeOffset now)
    {
        foreach (GrantedLease fraction in book.FractionsOf(device.Id))
            book.Report(LeaseEventKind.Interrupted, fraction, now, message);
        store.Commit(book);
    }

    /// <summary>The last fraction has gone, and no process uses the device: it is one again. Null, or why not yet.</summary>
    public string? Unite(GrantedLease device)
    {
        _troubles.Remove(device.Id);
        if (device.Shared!.Backend == SharingBackend.Mps)
            return Daemons.Stop(device);

        // Without a lease it gets the compute instance for all of it when the GPU is read.
        gpus.Doubt(device.Instances[0].Place.Gpu);
        return null;
    }

    /// <summary>Whether it can have a room that comes free. Not one that was refused, or whose process has just died.</summary>
    private static bool IsWaiting(WaitingEntry entry, DateTimeOffset now) =>
        entry is { Claim.Fraction: not null, Reason: not WaitReason.CannotShare, Waiter: not { IsRunning: false } }
        && !(entry.Until <= now);

    /// <summary>The claim is told, and does not wait on.</summary>
    private void Refuse(WaitingEntry entry, string profile, string why) => Refuse(entry, $"{profile} cannot be shared so: {why}");

    private void Refuse(WaitingEntry entry, string why)
    {
        if (book.Claims.Find(entry.Claim.Id) is { } there)
            book.Claims.Put(there.Claim.Id, there with { Position = 1, Reason = WaitReason.CannotShare, Message = why });
    }

    private bool TryJoin(
        WaitingEntry entry, GrantedLease device, Func<WaitingEntry, GrantedLease, GrantedFraction, LeasedInstance, GrantedLease> enter)
    {
        GrantedFraction fraction = Resolve(entry.Claim.Fraction!, device.Id, device.Shared!);
        LeasedInstance instance = device.Instances[0];
        try
        {
            if (fraction.Backend == SharingBackend.ComputeInstances)
            {
                if (CreateComputeInstance(entry, instance) is not { } created)
                    return false;
                instance = created;
            }
            else
            {
                Daemons.SetCaps(device, more: SharingDaemons.CapsOf(fraction));
                _troubles.Remove(device.Id);
            }
        }
        catch (MpsException e) when (e.Problem is MpsProblem.Dead or MpsProblem.Faulty)
        {
            _troubles[device.Id] = $"{device.Id}: {e.Message}";
            return false; // It is seen to. The claim waits, or gets another device.
        }
        catch (Exception e) when (SharingDaemons.IsOfMps(e))
        {
            Refuse(entry, e.Message);
            return false;
        }
        catch (NvmlException e)
        {
            gpus.Fail(instance.Place.Gpu, e);
            return false;
        }

        Dictionary<string, string> environment = new(StringComparer.Ordinal);
        if (fraction.Backend == SharingBackend.Mps)
        {
            foreach ((string name, string value) in Daemons.EnvironmentOf(device, fraction))
                environment[name] = value;
        }
        else
        {
            environment["CUDA_VISIBLE_DEVICES"] = instance.MigUuid;
        }

        environment["NVIDIA_VISIBLE_DEVICES"] = instance.MigUuid;
        environment[LeaseVariable] = entry.Claim.Id;
        environment[GenerationVariable] = string.Create(CultureInfo.InvariantCulture, $"{book.State.Generation + 1}");
        enter(entry, device, fraction with { Environment = environment }, instance);
        return true;
    }

    /// <summary>Why a GPU with MIG disabled cannot be shared by MPS; null if it can.</summary>
    private string? WhyNotWhole(string gpu, IReadOnlyList<HostProcess> others)
    {
        try
        {
            return SharingDaemons.WhyNot(gpus.GetDevice(gpu), others);
        }
        catch (NvmlException)
        {
            return null; // Nothing is placed on one that is lost.
        }
    }

    /// <summary>Null if there is no place for it beside the others, or never is one: then the claim is refused.</summary>
    /// <exception cref="NvmlException">It cannot be created. What there is of it is found when the GPU is read.</exception>
    private LeasedInstance? CreateComputeInstance(WaitingEntry claim, LeasedInstance place)
    {
        InstanceEntry entry = book.Instances.Find(InstanceEntry.KeyOf(place.Place))!;
        GpuInstance instance = gpus.GetDevice(entry.Place.Gpu).GetGpuInstance(entry.GpuInstanceId);
        IReadOnlyList<ComputeInstanceProfile> profiles = instance.GetComputeInstanceProfiles();
        if (profiles.FirstOrDefault(p => p.SliceCount == claim.Claim.Fraction!.ComputeSlices) is not { } profile)
        {
            string sizes = string.Join(", ", profiles.Select(p => p.SliceCount).Distinct().Order());
            Refuse(claim, $"{entry.Profile} has no compute instance of {claim.Claim.Fraction}. It has those of: {sizes}.");
            return null;
        }

        if (instance.GetRemainingCapacity(profile) == 0)
            return null;
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Creating });
        store.Commit(book);
        ComputeInstance created = instance.CreateComputeInstance(profile);
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Ready });
        return place with { ComputeInstanceId = created.Id, MigUuid = created.GetMigDevice().Uuid };
    }

    /// <summary>The fraction in numbers.</summary>
    private static GrantedFraction Resolve(Fraction wanted, string device, SharedDevice of)
    {
        if (wanted.ComputeSlices is { } slices)
            return new GrantedFraction(device, SharingBackend.ComputeInstances) { ComputeSlices = slices };
        decimal percent = wanted.Mode == FractionMode.Equal ? 0 : wanted.ComputeRequest ?? Math.Floor((wanted.Share ?? 0) * 1000) / 10;
        decimal most = wanted.Mode == FractionMode.Strict ? percent : 100;
        long memory = wanted.MemoryRequestMiB is { } asked
            ? asked + MpsBudget.ContextMiB
            : (long)Math.Floor((wanted.Share ?? 0) * of.MemoryMiB);
        return new GrantedFraction(device, SharingBackend.Mps)
        {
            MemoryRequestMiB = memory,
            // No more than the device has, which is the same.
            MemoryLimitMiB = wanted.MemoryLimitMiB is { } limit
                ? Math.Min(limit + MpsBudget.ContextMiB, Math.Max(memory, of.MemoryMiB))
                : memory,
            ComputeRequest = percent,
            ComputeLimit = wanted.ComputeLimit ?? most,
        };
    }

    /// <summary>Why the device has no room for it beside the others; null if it has.</summary>
    private static string? WhyNot(SharedDevice device, GrantedFraction wanted, IEnumerable<GrantedLease> others)
    {
        GrantedFraction[] all = [.. others.Select(o => o.Fraction!), wanted];
        return all switch
        {
            _ when wanted.Backend == SharingBackend.Mps && wanted.MemoryLimitMiB <= MpsBudget.ContextMiB => Text(
                $"{wanted.MemoryLimitMiB} MiB are not enough, since the CUDA context alone can take {MpsBudget.ContextMiB} MiB of it."),
            _ when wanted.MemoryLimitMiB < wanted.MemoryRequestMiB => Text(
                $"The limit of {wanted.MemoryLimitMiB} MiB, context included, is less than the {wanted.MemoryRequestMiB} MiB asked for."),
            _ when MemoryOf(all) is var memory && memory > device.MemoryMiB =>
                Text($"{memory} MiB are asked for, contexts and the limits of the others included, and it has {device.MemoryMiB} MiB."),
            _ when all.Sum(f => f.ComputeRequest) is var compute && compute > 100 => Text($"{compute}% of it are asked for."),
            _ when all.Sum(f => f.ComputeSlices) is var slices && slices > device.ComputeSlices =>
                Text($"{slices} compute slices are asked for, and it has {device.ComputeSlices}."),
            { Length: > MostClients } => Text($"MPS serves at most {MostClients} clients."),
            _ => null,
        };

        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>
    /// The memory that there must be, so that each has what is kept for it also when all the others have taken all that they can: MPS
    /// reserves nothing.
    /// </summary>
    private static long MemoryOf(GrantedFraction[] all) => all.Sum(LimitOf) - all.Min(f => LimitOf(f) - f.MemoryRequestMiB);

    private static long LimitOf(GrantedFraction fraction) => fraction.MemoryLimitMiB ?? fraction.MemoryRequestMiB;

    /// <summary>What claims must have in common to share a device.</summary>
    private sealed record DeviceKey(
        string Queue, uint Uid, string Request, string Where, SharingBackend Backend, FractionMode Mode, int Priority, bool IsPreemptible)
    {
        public static DeviceKey Of(Claim claim, Fraction fraction) => Of(claim, fraction.Backend, fraction.Mode);

        public static DeviceKey Of(GrantedLease device) => Of(device.Lease.Claim, device.Shared!.Backend, device.Shared.Mode);

        private static DeviceKey Of(Claim claim, SharingBackend backend, FractionMode mode) => new(
            claim.Queue,
            claim.Owner.Uid,
            string.Join(',', claim.Requests),
            string.Join(',', claim.Gpus.Concat(claim.Models).Order(StringComparer.Ordinal)),
            backend,
            mode,
            claim.Priority,
            claim.IsPreemptible);
    }
}
