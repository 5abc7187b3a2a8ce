using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>Reads claims of callers: whose they are is what the connection says, not what the request says.</summary>
internal sealed class ClaimReader(Rights rights)
{
    public Claim Read(ClaimRequest request, Caller caller)
    {
        rights.RequireQueue(caller, request.Queue);
        return request.ToClaim(ReadOwner(request.Uid, request.Label, caller));
    }

    public LeaseHold ReadHold(ClaimRequest request, Caller caller)
    {
        if (request is { WhileCallerRuns: true, ProcessId: not null })
            throw RequestChecks.Wrong("whileCallerRuns and processId exclude each other.");
        HostProcess? process = request.WhileCallerRuns
            ? caller.Process ?? throw RequestChecks.Wrong("The process that asks is not on this machine, or not to be seen from here.")
            : request.ProcessId is { } pid ? rights.FindProcess(caller, pid) : null;
        return request.ToHold(process);
    }

    /// <summary>The process without which the claim is dropped while it waits. Null: none, or it cannot be seen from here.</summary>
    public static HostProcess? ReadWaiter(ClaimRequest request, Caller caller) => request.WhileCallerWaits ? caller.Process : null;

    /// <summary>The caller, but for those who may do all, who can name another.</summary>
    public LeaseOwner ReadOwner(uint? uid, string? label, Caller caller)
    {
        if (uid is { } other && other != caller.Uid)
            rights.RequireAll(caller, "claim for others");
        return new LeaseOwner(uid ?? caller.Uid, label);
    }
}
