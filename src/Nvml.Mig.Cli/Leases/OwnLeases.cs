using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The leases as this process keeps them.</summary>
internal sealed class OwnLeases(NvmlSession session, LeaseManager manager, Func<MigMinors> minors) : ILeases
{
    public async Task<StandDocument> ReadAsync(bool usage, CancellationToken cancellationToken) => StandDocument.From(
        await manager.ReadAsync(cancellationToken), usage ? new InstanceReader(session).Read : LeasedInstanceEntry.From);

    public async Task<LeaseEntry> ShowAsync(string id, CancellationToken cancellationToken) =>
        LeaseEntry.From(await LeaseLookup.FindAsync(manager, id), new InstanceReader(session, minors).Read);

    public async Task<LeaseEntry> ClaimAsync(
        ClaimRequest request, TimeSpan? timeout, Action<string> tell, CancellationToken cancellationToken)
    {
        HostProcess? process = request.WhileCallerRuns ? HostProcess.Current : FindProcess(request.ProcessId);
        return LeaseEntry.From(await manager.ClaimAsync(
            request.ToClaim(new LeaseOwner(request.Uid ?? Caller.Uid, request.Label)),
            request.ToHold(process),
            timeout,
            new Told(tell),
            cancellationToken));
    }

    public async Task<LeaseEntry> AdoptAsync(AdoptRequest request, CancellationToken cancellationToken)
    {
        string id = request.Id ?? RequestChecks.NewName();
        RequestChecks.CheckName(id, "id");
        return LeaseEntry.From(await manager.AdoptAsync(
            request.GpuUuid,
            request.GpuInstanceId,
            id,
            request.Queue,
            new LeaseOwner(request.Uid ?? Caller.Uid, request.Label),
            request.ToHold(FindProcess(request.ProcessId)),
            cancellationToken));
    }

    public async Task<LeaseEntry> RenewAsync(string id, RenewRequest request, CancellationToken cancellationToken) =>
        LeaseEntry.From(await manager.RenewAsync(
            id, RequestChecks.ReadDuration(request.DurationSeconds), request.Generation, cancellationToken));

    public Task ReleaseAsync(string id, long? generation, CancellationToken cancellationToken) =>
        manager.ReleaseAsync(id, generation, cancellationToken);

    public async Task<IReadOnlyList<LeasedInstanceEntry>> ClearAsync(string? gpu, CancellationToken cancellationToken)
    {
        InstanceReader reader = new(session);
        return [.. (await manager.ClearAsync(gpu, cancellationToken)).Select(i => reader.Read(i, null))];
    }

    public Task SetQueueAsync(string name, QueueRequest request, CancellationToken cancellationToken) =>
        manager.SetQueueAsync(request.ToQueue(name), cancellationToken);

    public Task DeleteQueueAsync(string name, CancellationToken cancellationToken) => manager.DeleteQueueAsync(name, cancellationToken);

    public Task AddReservationAsync(ReservationRequest request, CancellationToken cancellationToken) =>
        manager.AddReservationAsync(request.ToReservation(), cancellationToken);

    public Task DeleteReservationAsync(string id, CancellationToken cancellationToken) =>
        manager.DeleteReservationAsync(id, cancellationToken);

    public Task SetPolicyAsync(PolicyEntry policy, CancellationToken cancellationToken) =>
        manager.SetPolicyAsync(policy.ToPolicy(), cancellationToken);

    public void Dispose() => manager.Dispose();

    private static HostProcess? FindProcess(int? id) => id is not { } some
        ? null
        : HostProcess.Find(some)
            ?? throw new LeaseException(LeaseError.Invalid, string.Create(CultureInfo.InvariantCulture, $"There is no process {some}."));

    /// <summary>Not Progress, which reports on another thread, later.</summary>
    private sealed class Told(Action<string> tell) : IProgress<Waiting>
    {
        public void Report(Waiting value) => tell(WaitingClaimEntry.From(value).ToString());
    }
}
