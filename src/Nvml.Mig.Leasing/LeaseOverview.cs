using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

/// <summary>Where leasing stands.</summary>
/// <param name="Leases">The leases, by the time that they were granted; those too that are ending.</param>
/// <param name="Waiting">The claims that wait, in their order.</param>
/// <param name="Queues">The queues, what they have and what is their fair share.</param>
/// <param name="Reservations">The reservations, and what is kept for them.</param>
/// <param name="Gpus">The GPUs of the pool, with what nobody leases.</param>
/// <param name="Policy">What holds for all queues.</param>
public sealed record LeaseOverview(
    IReadOnlyList<GrantedLease> Leases,
    IReadOnlyList<Waiting> Waiting,
    IReadOnlyList<QueueShare> Queues,
    IReadOnlyList<ReservationState> Reservations,
    IReadOnlyList<GpuOverview> Gpus,
    SchedulerOptions Policy);

/// <summary>A GPU of the pool.</summary>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Index">NVML's index.</param>
/// <param name="Model">Its name.</param>
/// <param name="Problem">Why nothing new is put on it; null if that can be.</param>
/// <param name="Idle">Instances that nobody leases: cached, with a fault, or in use without a lease.</param>
/// <param name="Foreign">Instances that leasing did not create.</param>
public sealed record GpuOverview(
    string Uuid,
    int Index,
    string Model,
    string? Problem,
    IReadOnlyList<LeasedInstance> Idle,
    IReadOnlyList<InstancePlace> Foreign)
{
    /// <summary>How wide it is, in memory slices; null if that is not known, as before MIG was enabled on it.</summary>
    public int? MemorySlices { get; init; }
}
