using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Documents;

/// <summary>Finds one lease.</summary>
public static class LeaseLookup
{
    /// <summary>The lease, as the book has it.</summary>
    /// <exception cref="LeaseException">There is none; it may be a claim that waits.</exception>
    public static async Task<GrantedLease> FindAsync(LeaseManager manager, string id)
    {
        ArgumentNullException.ThrowIfNull(manager);
        return await manager.FindAsync(id).ConfigureAwait(false) switch
        {
            ({ } lease, _) => lease,
            (_, { } waiting) => throw new LeaseException(LeaseError.NotFound, WaitingClaimEntry.From(waiting).ToString()),
            _ => throw new LeaseException(LeaseError.NotFound, $"There is no lease {id}."),
        };
    }
}
