using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Documents;

// Whoever answers them reads them the same way, so that the same request has the same result. Their members can be set, not only
// initialised: the generated reader initialises a member that is missing with nothing, not with its default.

/// <summary>A claim that somebody makes.</summary>
public sealed record ClaimRequest
{
    private const int MaxInstances = 256;

    /// <summary>The name of the claim and of its lease. The same claim of that name again finds it. Null: a new one.</summary>
    public string? Id { get; set; }

    public string Queue { get; set; } = LeaseOptions.DefaultQueue;

    /// <summary>The owner, for those who may do all; everybody else claims for himself.</summary>
    public uint? Uid { get; set; }

    public string? Label { get; set; }

    /// <summary>
    /// A profile with compute slices, such as <c>1c.3g.20gb</c>, is a part of an instance: its multiprocessors are its own, all else is
    /// shared.
    /// </summary>
    public required IReadOnlyList<InstanceRequestEntry> Requests { get; set; }

    /// <summary>The part that is wanted of the one instance that is asked for; null: all of it.</summary>
    public FractionRequest? Fraction { get; set; }

    public int Priority { get; set; }

    public bool Preemptible { get; set; }

    public bool Restartable { get; set; }

    public double MinimumRuntimeSeconds { get; set; }

    /// <summary>The UUIDs of the GPUs that will do.</summary>
    public IReadOnlyList<string> Gpus { get; set; } = [];

    /// <summary>The models that will do.</summary>
    public IReadOnlyList<string> Models { get; set; } = [];

    /// <summary>How long the lease lasts without being renewed; null: not by time.</summary>
    public double? DurationSeconds { get; set; }

    /// <summary>The lease ends with this process; null: with none.</summary>
    public int? ProcessId { get; set; }

    /// <summary>The lease ends with the process that has connected.</summary>
    public bool WhileCallerRuns { get; set; }

    /// <summary>While it waits, the claim is dropped when the process that has connected ends, if the agent can see that.</summary>
    public bool WhileCallerWaits { get; set; }

    /// <summary>Whether the process may be ended when the lease is taken back.</summary>
    public bool MayEndProcess { get; set; }

    /// <summary>
    /// How long this request waits for the lease; the claim waits on after it. 0: what cannot be had now is an error, and nothing waits.
    /// </summary>
    public double WaitSeconds { get; set; }

    /// <summary>The claim.</summary>
    /// <exception cref="LeaseException">It makes no sense.</exception>
    public Claim ToClaim(LeaseOwner owner)
    {
        string id = Id ?? RequestChecks.NewName();
        RequestChecks.CheckName(id, "id");
        RequestChecks.CheckName(Queue, "queue");
        if (Label is { } label)
            RequestChecks.CheckName(label, "label");
        // The reader of JSON does not look into lists: null can be there.
        if (Requests.Any(r => r is null) || Gpus.Concat(Models).Any(text => text is null))
            throw RequestChecks.Wrong("requests, gpus and models have no empty entries.");
        if (Gpus.Count > MaxInstances || Models.Count > MaxInstances)
            throw RequestChecks.Wrong(string.Create(CultureInfo.InvariantCulture, $"A claim names at most {MaxInstances} GPUs."));
        foreach (string gpu in Gpus)
            RequestChecks.CheckName(gpu, "gpus");
        foreach (string model in Models)
            RequestChecks.CheckName(model, "models");
        if (Requests.Count is 0 or > MaxInstances || Requests.Any(r => r.Count is < 1 or > MaxInstances)
            || Requests.Sum(r => r.Count) > MaxInstances)
            throw RequestChecks.Wrong(string.Create(CultureInfo.InvariantCulture, $"A claim is for 1 to {MaxInstances} instances."));
        (IReadOnlyList<InstanceRequestEntry> requests, Fraction? fraction) = (Requests, Fraction?.ToFraction());
        if (requests is [{ Count: 1, Profile: { } profile } part] && ProfileName.TryParse(profile, out ProfileName name) && name.IsPart)
        {
            if (fraction is not null)
                throw RequestChecks.Wrong($"A fraction is of a whole instance, not of {profile}.");
            fraction = new Fraction { ComputeSlices = name.ComputeSliceCount };
            requests = [part with { Profile = name.GpuInstance.ToString() }];
        }

        return new Claim(id, Queue, owner, [.. requests.Select(r => r.ToRequest())])
        {
            Fraction = fraction,
            Priority = Priority,
            IsPreemptible = Preemptible,
            IsRestartable = Restartable,
            MinimumRuntime = RequestChecks.ReadTime(MinimumRuntimeSeconds, "minimumRuntimeSeconds"),
            Gpus = Gpus,
            Models = Models,
        };
    }

    public LeaseHold ToHold(HostProcess? process) =>
        new(process, RequestChecks.ReadDuration(DurationSeconds)) { MayEndProcess = MayEndProcess };
}

/// <summary>A part of a device by MPS: a share of it, or memory in MiB and computing power in per cent, with limits.</summary>
public sealed record FractionRequest
{
    /// <summary>Over 0 and below 1: the part of memory and computing power that is not stated by itself.</summary>
    public decimal? Share { get; set; }

    public FractionMode Mode { get; set; }

    public long? MemoryRequestMiB { get; set; }

    public long? MemoryLimitMiB { get; set; }

    public decimal? ComputeRequest { get; set; }

    public decimal? ComputeLimit { get; set; }

    internal Fraction ToFraction() => new()
    {
        Share = Share,
        Mode = Mode,
        MemoryRequestMiB = MemoryRequestMiB,
        MemoryLimitMiB = MemoryLimitMiB,
        ComputeRequest = ComputeRequest,
        ComputeLimit = ComputeLimit,
    };
}

/// <summary>Instances by profile, or by what each must have.</summary>
public sealed record InstanceRequestEntry
{
    public string? Profile { get; set; }

    public long MemoryMiB { get; set; }

    public int ComputeSlices { get; set; }

    public int Decoders { get; set; }

    public int Encoders { get; set; }

    public int JpegEngines { get; set; }

    public int OfaEngines { get; set; }

    public int Count { get; set; } = 1;

    internal InstanceRequest ToRequest()
    {
        InstanceNeed need = new()
        {
            MemoryMiB = MemoryMiB,
            ComputeSlices = ComputeSlices,
            Decoders = Decoders,
            Encoders = Encoders,
            JpegEngines = JpegEngines,
            OfaEngines = OfaEngines,
        };
        bool isNeed = need != new InstanceNeed();
        if (isNeed == Profile is not null || Profile is { Length: 0 or > RequestChecks.MaxName })
            throw RequestChecks.Wrong("An instance is asked for by profile, or by what it must have.");
        return Profile is { } profile ? InstanceRequest.Of(profile, Count) : InstanceRequest.Of(need, Count);
    }
}

public sealed record RenewRequest
{
    /// <summary>The new duration; null: the one that it has.</summary>
    public double? DurationSeconds { get; set; }

    /// <summary>The generation that is meant; null: whichever there is.</summary>
    public long? Generation { get; set; }
}

public sealed record AdoptRequest
{
    public required string GpuUuid { get; set; }

    public required int GpuInstanceId { get; set; }

    public string? Id { get; set; }

    public string Queue { get; set; } = LeaseOptions.DefaultQueue;

    /// <summary>The owner; null: who asks.</summary>
    public uint? Uid { get; set; }

    public string? Label { get; set; }

    public double? DurationSeconds { get; set; }

    public int? ProcessId { get; set; }

    public LeaseHold ToHold(HostProcess? process) => new(process, RequestChecks.ReadDuration(DurationSeconds));
}

public sealed record QueueRequest
{
    public string? Parent { get; set; }

    public SlicesEntry? Quota { get; set; }

    public SlicesEntry? Limit { get; set; }

    public SlicesEntry? LendingLimit { get; set; }

    public int Weight { get; set; } = 1;

    public int Priority { get; set; }

    public IdlePolicy Idle { get; set; }

    public double IdleAfterSeconds { get; set; } = 600;

    /// <summary>The queue.</summary>
    /// <exception cref="LeaseException">It makes no sense.</exception>
    public LeaseQueue ToQueue(string name)
    {
        RequestChecks.CheckName(name, "name");
        return new LeaseQueue(name)
        {
            Parent = Parent,
            Quota = Quota?.ToSlices(),
            Limit = Limit?.ToSlices(),
            LendingLimit = LendingLimit?.ToSlices(),
            Weight = Weight,
            Priority = Priority,
            Idle = Idle,
            IdleAfter = RequestChecks.ReadTime(IdleAfterSeconds, "idleAfterSeconds"),
        };
    }
}

public sealed record ReservationRequest
{
    public required string Id { get; set; }

    public string? Queue { get; set; }

    public uint? Uid { get; set; }

    public string? Label { get; set; }

    public required string Profile { get; set; }

    public int Count { get; set; } = 1;

    public string? Model { get; set; }

    public required DateTimeOffset Start { get; set; }

    public required DateTimeOffset End { get; set; }

    public bool Lendable { get; set; }

    /// <summary>The reservation.</summary>
    /// <exception cref="LeaseException">It makes no sense.</exception>
    public Reservation ToReservation()
    {
        RequestChecks.CheckName(Id, "id");
        if (Queue is null == Uid is null)
            throw RequestChecks.Wrong("A reservation is for a queue or for a uid.");
        if (End <= Start || Count < 1)
            throw RequestChecks.Wrong("A reservation ends after it begins, and is for one instance at least.");
        return new Reservation(Id, Start, End)
        {
            Queue = Queue,
            Owner = Uid is { } uid ? new LeaseOwner(uid, Label) : null,
            Profile = Profile,
            Count = Count,
            Model = Model,
            IsLendable = Lendable,
        };
    }
}
