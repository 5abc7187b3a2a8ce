using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Nvml.Mig;

/// <summary>The telemetry of this library: docs/metrics.md lists all of it.</summary>
public static class NvmlTelemetry
{
    /// <summary>The name of the <see cref="Meter"/> and of the <see cref="ActivitySource"/> of the packages: <c>Nvml.Mig</c>.</summary>
    public const string SourceName = "Nvml.Mig";

    private static readonly Meter Meter = new(SourceName);

    private static readonly Histogram<double> Durations = Meter.CreateHistogram<double>(
        "nvml.mig.operation.duration",
        "s",
        "How long operations took.",
        advice: new InstrumentAdvice<double>
        {
            HistogramBucketBoundaries = [0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
        });

    private static readonly Counter<long> DriverErrors =
        Meter.CreateCounter<long>("nvml.mig.driver.errors", "{error}", "Native calls that failed and were reported.");

    /// <summary>Spans.</summary>
    internal static ActivitySource Source { get; } = new(SourceName);

    /// <summary>A native call failed.</summary>
    internal static void RecordError(string function, NvmlReturnCode code)
    {
        if (DriverErrors.Enabled)
            DriverErrors.Add(1, new("nvml.mig.function", function), new("error.type", code.ToSymbol()));
    }

    /// <summary>An operation has ended; <paramref name="error"/> is null if it succeeded.</summary>
    internal static void RecordDuration(string operation, TimeSpan took, string? error)
    {
        if (!Durations.Enabled)
            return;
        TagList tags = new() { { "nvml.mig.operation", operation } };
        if (error is not null)
            tags.Add("error.type", error);
        Durations.Record(took.TotalSeconds, tags);
    }
}
