using System.Globalization;
using System.Text.Json.Serialization;

namespace Nvml.Mig.Leasing;

/// <summary>Who holds a lease.</summary>
/// <param name="Uid">The user.</param>
/// <param name="Label">A text of the owner's own, such as <c>slurm:1234</c>.</param>
public sealed record LeaseOwner(uint Uid, string? Label = null)
{
    /// <summary><c>uid 1000 (slurm:1234)</c></summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"uid {Uid}{(Label is null ? "" : $" ({Label})")}");
}

/// <summary>What an instance must have at least. The smallest profile that has it is taken, on any model of the pool.</summary>
public sealed record InstanceNeed
{
    /// <summary>Memory in MiB.</summary>
    public long MemoryMiB { get; init; }

    /// <summary>Compute slices.</summary>
    public int ComputeSlices { get; init; }

    /// <summary>Video decoders.</summary>
    public int Decoders { get; init; }

    /// <summary>Video encoders.</summary>
    public int Encoders { get; init; }

    /// <summary>JPEG engines.</summary>
    public int JpegEngines { get; init; }

    /// <summary>Optical flow engines.</summary>
    public int OfaEngines { get; init; }

    /// <summary><c>12288 MiB, 2 compute slices</c></summary>
    public override string ToString()
    {
        (long Number, string Unit)[] parts =
        [
            (MemoryMiB, "MiB"), (ComputeSlices, "compute slices"), (Decoders, "decoders"), (Encoders, "encoders"),
            (JpegEngines, "JPEG engines"), (OfaEngines, "optical flow engines"),
        ];
        string text = string.Join(
            ", ", parts.Where(p => p.Number > 0).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Number} {p.Unit}")));
        return text.Length == 0 ? "any instance" : text;
    }
}

/// <summary>A number of instances of one kind: by profile, or by need.</summary>
public sealed record InstanceRequest
{
    [JsonConstructor]
    internal InstanceRequest(string? profile, InstanceNeed? need, int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        Profile = profile;
        Need = need;
        Count = count;
    }

    /// <summary>The profile's name; null where a need is stated.</summary>
    public string? Profile { get; }

    /// <summary>What each instance must have; null where a profile is stated.</summary>
    public InstanceNeed? Need { get; }

    /// <summary>How many.</summary>
    public int Count { get; }

    /// <summary>Asks for a profile.</summary>
    /// <param name="profile">Its name, such as <c>1g.10gb</c>.</param>
    /// <param name="count">How many.</param>
    public static InstanceRequest Of(string profile, int count = 1)
    {
        ArgumentException.ThrowIfNullOrEmpty(profile);
        return new InstanceRequest(profile, null, count);
    }

    /// <summary>Asks for what an instance must have.</summary>
    /// <param name="need">What each must have.</param>
    /// <param name="count">How many.</param>
    public static InstanceRequest Of(InstanceNeed need, int count = 1)
    {
        ArgumentNullException.ThrowIfNull(need);
        return new InstanceRequest(null, need, count);
    }

    /// <summary><c>1g.10gb*2</c></summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Profile ?? Need!.ToString()}{(Count == 1 ? "" : $"*{Count}")}");
}

/// <summary>Instances that somebody wants, all or none.</summary>
/// <param name="Id">The caller's name for it. The same id again is the same claim.</param>
/// <param name="Queue">The queue.</param>
/// <param name="Owner">Who wants them.</param>
/// <param name="Requests">What is wanted.</param>
public sealed record Claim(string Id, string Queue, LeaseOwner Owner, IReadOnlyList<InstanceRequest> Requests)
{
    /// <summary>When it was made. Between equals the older goes first.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>Within a queue, higher goes first, and can take from strictly lower that are preemptible.</summary>
    public int Priority { get; init; }

    /// <summary>Whether its lease can be taken back. One that cannot is only granted within the queue's quota.</summary>
    public bool IsPreemptible { get; init; }

    /// <summary>Whether its program can be started again elsewhere, so that others find room.</summary>
    public bool IsRestartable { get; init; }

    /// <summary>How long its lease is safe from being taken back or moved.</summary>
    public TimeSpan MinimumRuntime { get; init; }

    /// <summary>The part that is wanted of the one instance that is asked for; null: the instance itself.</summary>
    public Fraction? Fraction { get; init; }

    /// <summary>The ids of the GPUs that will do; empty: any.</summary>
    public IReadOnlyList<string> Gpus { get; init; } = [];

    /// <summary>The models that will do; empty: any.</summary>
    public IReadOnlyList<string> Models { get; init; } = [];

    /// <summary>Whether everything is there that decisions are made by: a claim in the book is read by all processes.</summary>
    [JsonIgnore]
    internal bool IsWhole => Id is not null && Queue is not null && Owner is not null
        && Requests is not null && Requests.All(r => r is { Count: > 0 } && (r.Profile is null) != (r.Need is null))
        && Gpus is not null && Models is not null && Gpus.Concat(Models).All(name => name is not null);

    /// <summary>How many instances are wanted.</summary>
    [JsonIgnore]
    public int InstanceCount => Requests.Sum(r => r.Count);
}
