using Microsoft.Extensions.Diagnostics.HealthChecks;
using Nvml.Mig.Kubernetes.Nodes;

namespace Nvml.Mig.Kubernetes;

/// <summary>Whether the node is watched, and what was found out is written to it.</summary>
internal sealed class KubernetesHealthCheck(KubernetesNode node) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult((node.WatchProblem ?? node.PassProblem, node.Last) switch
        {
            ({ } problem, _) => new HealthCheckResult(context.Registration.FailureStatus, problem),
            (_, { State: NodeProtocol.Pending or NodeProtocol.Failed } last) =>
                HealthCheckResult.Degraded($"The node is {last.State}: {last.Reason}"),
            _ => HealthCheckResult.Healthy("The GPUs are as the node asks for."),
        });
}
