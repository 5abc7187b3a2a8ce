using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Bench;

/// <summary>The document of <c>bench --json</c>: what was measured until the end or a failure, and how the GPU was left.</summary>
internal sealed record BenchDocument(
    int Index,
    string Uuid,
    string Name,
    string DriverVersion,
    string Library,
    int Repetitions,
    int Warmup,
    IReadOnlyList<MeasurementEntry> Measurements,
    ApplyOutcome Outcome,
    IReadOnlyList<string> Differences,
    ErrorEntry? Error);

/// <summary>
/// The times of an operation in milliseconds: percentiles by nearest rank, and every repetition in order. <c>calls</c> are the native
/// functions that a time includes; for a layout those of one GPU instance with its compute instance.
/// </summary>
internal sealed record MeasurementEntry(
    BenchOperation Operation,
    string? Profile,
    int? ProfileId,
    PlacementEntry? Placement,
    string? Layout,
    IReadOnlyList<string> Calls,
    double MinMilliseconds,
    double P50Milliseconds,
    double P95Milliseconds,
    double MaxMilliseconds,
    IReadOnlyList<double> Milliseconds)
{
    public static MeasurementEntry From(Measurement measurement) =>
        new(
            measurement.Operation,
            measurement.Profile?.Name,
            measurement.Profile?.Id,
            PlacementEntry.FromOptional(measurement.Placement),
            measurement.Layout?.Name,
            measurement.Calls,
            measurement.GetPercentile(0).TotalMilliseconds,
            measurement.GetPercentile(50).TotalMilliseconds,
            measurement.GetPercentile(95).TotalMilliseconds,
            measurement.GetPercentile(100).TotalMilliseconds,
            [.. measurement.Times.Select(t => t.TotalMilliseconds)]);
}
