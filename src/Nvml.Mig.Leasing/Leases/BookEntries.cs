using System.Text.Json.Serialization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>What the book says of the whole.</summary>
internal sealed record BookState
{
    /// <summary>The boot that leases and instances are of.</summary>
    public string BootId { get; init; } = "";

    /// <summary>What holds for all queues.</summary>
    public SchedulerOptions Policy { get; init; } = new()
    {
        Grace = TimeSpan.FromSeconds(30),
        KeepRoomAfter = TimeSpan.FromMinutes(5),
    };

    /// <summary>The driver that the geometries are of.</summary>
    public string Driver { get; init; } = "";

    /// <summary>The generation of the lease that was granted last.</summary>
    public long Generation { get; init; }

    /// <summary>When time alone can change what was decided; null: never.</summary>
    public DateTimeOffset? NextTime { get; init; }

    /// <summary>What the journal of applies looked like when the GPUs were read: another look means that somebody changed them.</summary>
    public string Journal { get; init; } = "";
}

/// <summary>A GPU of the pool.</summary>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Index">NVML's index when it was read last.</param>
/// <param name="Model">Its name.</param>
/// <param name="Geometry">The key of its geometry in the book.</param>
internal sealed record GpuEntry(string Uuid, int Index, string Model, string Geometry)
{
    /// <summary>Instances that are not ours.</summary>
    public IReadOnlyList<InstancePlace> Foreign { get; init; } = [];

    /// <summary>Whether MIG was enabled when it was read last: a GPU without is no part of the pool.</summary>
    public bool HasMig { get; init; }

    /// <summary>Why nothing new can be put on it; null if that can be.</summary>
    public string? Problem { get; init; }

    /// <summary>How often in a row it has failed.</summary>
    public int Failures { get; init; }

    /// <summary>When it is to be read again: it was never read, it has failed, or somebody changed it. Null: it need not be.</summary>
    public DateTimeOffset? ReadAt { get; init; } = DateTimeOffset.MinValue;

    /// <summary>When it was read last.</summary>
    public DateTimeOffset LastRead { get; init; }
}

/// <summary>How far an instance of ours is.</summary>
internal enum InstanceStage
{
    /// <summary>It is about to be created. It may be there, or half of it.</summary>
    Creating,

    /// <summary>It is there.</summary>
    Ready,

    /// <summary>It is about to be destroyed. It may be gone, or half of it.</summary>
    Destroying,
}

/// <summary>An instance that we created, or took over.</summary>
/// <param name="Place">Where it is.</param>
/// <param name="Profile">The name of its profile.</param>
/// <param name="Stage">How far it is.</param>
internal sealed record InstanceEntry(InstancePlace Place, string Profile, InstanceStage Stage)
{
    public int GpuInstanceId { get; init; }

    public int ComputeInstanceId { get; init; }

    public string MigUuid { get; init; } = "";

    /// <summary>The user that had it last.</summary>
    public uint LastUid { get; init; }

    /// <summary>Whether a process uses it although nobody leases it: it is left alone until that has gone.</summary>
    public bool IsOccupied { get; init; }

    /// <summary>Why nobody gets it; null if it is well.</summary>
    public string? Quarantine { get; init; }

    /// <summary>Whether it is divided into compute instances, which are leased each by itself.</summary>
    public bool IsDivided { get; init; }

    /// <summary>Two instances cannot begin at the same slice.</summary>
    [JsonIgnore]
    public string Key => KeyOf(Place);

    public LeasedInstance ToLeased() => new(Place, Profile, GpuInstanceId, ComputeInstanceId, MigUuid) { Quarantine = Quarantine };

    public static string KeyOf(InstancePlace place) => $"{place.Gpu}:{place.Placement.Start}";
}

/// <summary>A claim that waits.</summary>
/// <param name="Claim">The claim.</param>
/// <param name="Hold">How long its lease is to last.</param>
/// <param name="Waiter">The process that waits for it: without it, it is dropped. Null: none in particular.</param>
internal sealed record WaitingEntry(Claim Claim, LeaseHold Hold, HostProcess? Waiter)
{
    /// <summary>When it is dropped if nobody has asked for it again; null: not by time.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Whether leases were told to go or to move for it.</summary>
    public bool IsPromised { get; init; }

    /// <summary>Its position, from 1; 0 if nothing was decided yet.</summary>
    public int Position { get; init; }

    public WaitReason Reason { get; init; }

    public string Message { get; init; } = "";
}

/// <summary>The profiles of a kind of GPU.</summary>
internal sealed record GeometryEntry(IReadOnlyList<ProfileGeometry> Profiles);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(BookState))]
[JsonSerializable(typeof(GpuEntry))]
[JsonSerializable(typeof(GeometryEntry))]
[JsonSerializable(typeof(InstanceEntry))]
[JsonSerializable(typeof(WaitingEntry))]
[JsonSerializable(typeof(GrantedLease))]
[JsonSerializable(typeof(LeaseQueue))]
[JsonSerializable(typeof(Reservation))]
[JsonSerializable(typeof(LeaseEvent))]
internal sealed partial class BookJson : JsonSerializerContext;
