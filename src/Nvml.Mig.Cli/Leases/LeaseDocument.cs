using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Leases;

/// <summary>The document of the commands on one lease.</summary>
internal sealed record LeaseDocument(LeaseEntry Lease, ErrorEntry? Error);

/// <summary>The document of <c>lease list --json</c>.</summary>
internal sealed record LeaseListDocument(
    IReadOnlyList<LeaseEntry> Leases, IReadOnlyList<WaitingClaimEntry> Waiting, IReadOnlyList<GpuEntry> Gpus, ErrorEntry? Error);

/// <summary>The document of <c>lease clear --json</c>.</summary>
internal sealed record ClearDocument(IReadOnlyList<LeasedInstanceEntry> Destroyed, ErrorEntry? Error);

/// <summary>The document of <c>lease policy --json</c>.</summary>
internal sealed record PolicyDocument(PolicyEntry Policy, ErrorEntry? Error);
