using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Leases;

/// <summary>
/// The leases of this machine: this process keeps them itself, or the agent does, with the same results. Members throw
/// <see cref="LeaseException"/> and <see cref="NvmlException"/>.
/// </summary>
internal interface ILeases : IDisposable
{
    /// <summary>Where leasing stands; with <paramref name="usage"/> what uses the instances, which asks the GPUs.</summary>
    Task<StandDocument> ReadAsync(bool usage, CancellationToken cancellationToken);

    /// <summary>A lease, with what uses its instances and their device nodes.</summary>
    Task<LeaseEntry> ShowAsync(string id, CancellationToken cancellationToken);

    /// <summary>Claims, and withdraws the claim if it fails or is cancelled. The request names its claim.</summary>
    /// <param name="request">The claim; the time to wait is not in it.</param>
    /// <param name="timeout">How long to wait; null: without end.</param>
    /// <param name="tell">Is told why it waits, whenever that changes.</param>
    /// <param name="cancellationToken">Withdraws it.</param>
    Task<LeaseEntry> ClaimAsync(
        ClaimRequest request, TimeSpan? timeout, Action<string> tell, CancellationToken cancellationToken);

    Task<LeaseEntry> AdoptAsync(AdoptRequest request, CancellationToken cancellationToken);

    Task<LeaseEntry> RenewAsync(string id, RenewRequest request, CancellationToken cancellationToken);

    Task ReleaseAsync(string id, long? generation, CancellationToken cancellationToken);

    /// <summary>Destroys instances that nobody leases or uses, on one GPU or on all.</summary>
    Task<IReadOnlyList<LeasedInstanceEntry>> ClearAsync(string? gpu, CancellationToken cancellationToken);

    Task SetQueueAsync(string name, QueueRequest request, CancellationToken cancellationToken);

    Task DeleteQueueAsync(string name, CancellationToken cancellationToken);

    Task AddReservationAsync(ReservationRequest request, CancellationToken cancellationToken);

    Task DeleteReservationAsync(string id, CancellationToken cancellationToken);

    Task SetPolicyAsync(PolicyEntry policy, CancellationToken cancellationToken);
}
