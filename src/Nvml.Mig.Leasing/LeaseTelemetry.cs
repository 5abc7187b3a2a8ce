using System.Diagnostics;

namespace Nvml.Mig.Leasing;

/// <summary>Spans of leasing, under the packages' name.</summary>
internal static class LeaseTelemetry
{
    public static ActivitySource Source { get; } = new(NvmlTelemetry.SourceName);

    public static Activity? StartClaim(Claim claim) => Source.StartActivity("nvml.mig.claim")
        ?.SetTag("nvml.mig.lease.id", claim.Id)
        .SetTag("nvml.mig.queue", claim.Queue);

    public static void Fail(Activity? span, Exception e)
    {
        string error = e is LeaseException lease ? lease.Error.ToString() : e.GetType().Name;
        span?.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error, e.Message);
    }
}
