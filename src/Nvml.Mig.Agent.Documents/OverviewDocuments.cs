using System.Text.Json.Serialization;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Documents;

/// <summary>Where leasing stands.</summary>
/// <param name="Leases">The leases, those too that are ending.</param>
/// <param name="Waiting">The claims that wait, in their order.</param>
/// <param name="Gpus">The GPUs of the pool.</param>
/// <param name="Queues">The queues, and what is theirs.</param>
/// <param name="Reservations">The reservations, and what is kept for them.</param>
/// <param name="Policy">What holds for all queues.</param>
public record StandDocument(
    IReadOnlyList<LeaseEntry> Leases,
    IReadOnlyList<WaitingClaimEntry> Waiting,
    IReadOnlyList<GpuEntry> Gpus,
    IReadOnlyList<QueueEntry> Queues,
    IReadOnlyList<ReservationEntry> Reservations,
    PolicyEntry Policy)
{
    /// <summary>Where leasing stands, with what a reading of each instance tells.</summary>
    public static StandDocument From(LeaseOverview overview, Func<LeasedInstance, GrantedLease?, LeasedInstanceEntry> read)
    {
        ArgumentNullException.ThrowIfNull(overview);
        return new StandDocument(
            [.. overview.Leases.Select(l => LeaseEntry.From(l, read))],
            [.. overview.Waiting.Select(WaitingClaimEntry.From)],
            [.. overview.Gpus.Select(g => GpuEntry.From(g, read))],
            [.. overview.Queues.Select(QueueEntry.From)],
            [.. overview.Reservations.Select(ReservationEntry.From)],
            PolicyEntry.From(overview.Policy));
    }
}

/// <summary>All that a page needs.</summary>
/// <param name="Time">When.</param>
/// <param name="Host">The machine's name.</param>
/// <param name="Version">The agent's version.</param>
/// <param name="LastEvent">The number of the last event that this has: events after it follow.</param>
/// <param name="Leases">The leases, those too that are ending.</param>
/// <param name="Waiting">The claims that wait, in their order.</param>
/// <param name="Gpus">The GPUs of the pool.</param>
/// <param name="Queues">The queues, and what is theirs.</param>
/// <param name="Reservations">The reservations, and what is kept for them.</param>
/// <param name="Policy">What holds for all queues.</param>
public sealed record OverviewDocument(
    DateTimeOffset Time,
    string Host,
    string Version,
    long LastEvent,
    IReadOnlyList<LeaseEntry> Leases,
    IReadOnlyList<WaitingClaimEntry> Waiting,
    IReadOnlyList<GpuEntry> Gpus,
    IReadOnlyList<QueueEntry> Queues,
    IReadOnlyList<ReservationEntry> Reservations,
    PolicyEntry Policy)
    : StandDocument(Leases, Waiting, Gpus, Queues, Reservations, Policy);

public sealed record GpusDocument(IReadOnlyList<GpuEntry> Gpus);

/// <summary>A GPU of the pool.</summary>
/// <param name="Index">NVML's index.</param>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Model">Its name.</param>
/// <param name="MemorySlices">How wide it is, in memory slices; null if that is not known.</param>
/// <param name="Problem">Why nothing new is put on it; null if that can be.</param>
/// <param name="Idle">Instances that nobody leases.</param>
/// <param name="Foreign">Instances that leasing did not create.</param>
public sealed record GpuEntry(
    int Index,
    string Uuid,
    string Model,
    int? MemorySlices,
    string? Problem,
    IReadOnlyList<LeasedInstanceEntry> Idle,
    IReadOnlyList<ForeignEntry> Foreign)
{
    public static GpuEntry From(GpuOverview gpu, Func<LeasedInstance, GrantedLease?, LeasedInstanceEntry> read)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        return new GpuEntry(
            gpu.Index,
            gpu.Uuid,
            gpu.Model,
            gpu.MemorySlices,
            gpu.Problem,
            [.. gpu.Idle.Select(i => read(i, null))],
            [.. gpu.Foreign.Select(f => new ForeignEntry(f.ProfileId, f.Placement.Start, f.Placement.Size))]);
    }
}

public sealed record ForeignEntry(int ProfileId, int Start, int Size);

public sealed record HealthDocument(string Status, IReadOnlyDictionary<string, HealthEntry> Checks);

public sealed record HealthEntry(string Status, string? Message);

/// <summary>A failure, as RFC 9457 has it. Code and type are stable; of the driver's failures there are its function and code.</summary>
public sealed record ProblemDocument(
    string Type,
    string Title,
    int Status,
    string Detail,
    string Code,
    string? Function,
    int? NvmlCode,
    WaitReason? Reason,
    int? Position);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UseStringEnumConverter = true,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    RespectNullableAnnotations = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(LeaseDocument))]
[JsonSerializable(typeof(LeasesDocument))]
[JsonSerializable(typeof(ClaimDocument))]
[JsonSerializable(typeof(WaitingDocument))]
[JsonSerializable(typeof(ClearDocument))]
[JsonSerializable(typeof(LeaseEventEntry))]
[JsonSerializable(typeof(LeaseEventsDocument))]
[JsonSerializable(typeof(QueuesDocument))]
[JsonSerializable(typeof(ReservationsDocument))]
[JsonSerializable(typeof(PolicyDocument))]
[JsonSerializable(typeof(StandDocument))]
[JsonSerializable(typeof(OverviewDocument))]
[JsonSerializable(typeof(GpusDocument))]
[JsonSerializable(typeof(HealthDocument))]
[JsonSerializable(typeof(ProblemDocument))]
[JsonSerializable(typeof(ClaimRequest))]
[JsonSerializable(typeof(RenewRequest))]
[JsonSerializable(typeof(AdoptRequest))]
[JsonSerializable(typeof(QueueRequest))]
[JsonSerializable(typeof(ReservationRequest))]
[JsonSerializable(typeof(PolicyEntry))]
public sealed partial class AgentJson : JsonSerializerContext;
