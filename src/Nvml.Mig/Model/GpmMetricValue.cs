using System.Globalization;

namespace Nvml.Mig;

/// <summary>A performance metric of the time between two samples.</summary>
/// <param name="Metric">Which.</param>
/// <param name="Code">
/// Whether there is a value: <see cref="NvmlReturnCode.NotSupported"/> if the GPU does not have the metric,
/// <see cref="NvmlReturnCode.InvalidArgument"/> if the driver does not know it.
/// </param>
/// <param name="Value">The value, in <paramref name="Unit"/>; NaN if there is none.</param>
/// <param name="ShortName">The driver's short name, such as <c>smutil</c>; empty if it has none.</param>
/// <param name="LongName">The driver's name.</param>
/// <param name="Unit">The driver's unit, such as <c>%</c> or <c>MiB/s</c>.</param>
public readonly record struct GpmMetricValue(
    GpmMetric Metric, NvmlReturnCode Code, double Value, string ShortName, string LongName, string Unit)
{
    /// <summary><c>smutil: 87.5 %</c>, or <c>smutil: NotSupported</c>.</summary>
    public override string ToString()
    {
        string name = ShortName.Length > 0 ? ShortName : Metric.ToString();
        return Code == NvmlReturnCode.Success
            ? string.Create(CultureInfo.InvariantCulture, $"{name}: {Value} {Unit}")
            : $"{name}: {Code}";
    }
}
