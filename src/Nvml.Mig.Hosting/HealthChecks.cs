using Microsoft.Extensions.Diagnostics.HealthChecks;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Hosting;

/// <summary>Whether the session answers.</summary>
internal sealed class NvmlHealthCheck(NvmlSession session) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            return Task.FromResult(HealthCheckResult.Healthy($"Driver {session.GetDriverVersion()} answers."));
        }
        catch (NvmlException e)
        {
            return Task.FromResult(new HealthCheckResult(context.Registration.FailureStatus, e.Message, e));
        }
    }
}

/// <summary>Whether the book can be read and is kept, and leasing knows of each GPU that is lost.</summary>
internal sealed class LeasingHealthCheck(NvmlSession session, LeaseManager manager, LeaseKeeper keeper) : IHealthCheck
{
    public async Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        HealthStatus failure = context.Registration.FailureStatus;
        if (keeper.Problem is { } problem)
            return new HealthCheckResult(failure, problem.Message, problem);
        try
        {
            LeaseOverview overview = await manager.ReadAsync(cancellationToken).ConfigureAwait(false);
            string[] known = [.. overview.Gpus.Select(g => g.Problem).OfType<string>()];
            string[] unknown = [.. session.Devices
                .Where(gpu => overview.Gpus.FirstOrDefault(g => g.Index == gpu.Index)?.Problem is null)
                .Select(ProblemOf).OfType<string>()];
            if (unknown.Length > 0)
                return new HealthCheckResult(failure, $"Leasing does not know yet: {string.Join(' ', unknown)}");
            return known.Length > 0
                ? HealthCheckResult.Degraded(string.Join(' ', known))
                : HealthCheckResult.Healthy("Leases are kept.");
        }
        catch (Exception e) when (e is LeaseException or NvmlException)
        {
            return new HealthCheckResult(failure, e.Message, e);
        }
    }

    private static string? ProblemOf(GpuDevice gpu)
    {
        try
        {
            gpu.TryGetMigMode();
            return null;
        }
        catch (NvmlException e)
        {
            return e.Message;
        }
    }
}
