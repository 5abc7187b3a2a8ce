using System.Diagnostics.Metrics;

namespace Nvml.Mig.Tests.Monitoring;

/// <summary>docs/metrics.md.</summary>
internal static class MetricsPage
{
    /// <summary>The rows of the table in a section: name, kind, unit.</summary>
    public static IEnumerable<string> InstrumentsOf(string page, string section) =>
        File.ReadLines(page)
            .SkipWhile(line => line != $"## {section}").Skip(1)
            .TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal))
            .Where(line => line.StartsWith("| `", StringComparison.Ordinal))
            .Select(line => string.Join(" | ", line.Split('|')[1..4].Select(cell => cell.Trim(' ', '`'))));

    public static string Describe(Instrument instrument)
    {
        string kind = instrument.GetType().Name.Split('`')[0] switch
        {
            "ObservableGauge" => "gauge",
            "ObservableCounter" or "Counter" => "counter",
            "ObservableUpDownCounter" or "UpDownCounter" => "up-down counter",
            var other => other.ToLowerInvariant(),
        };
        return $"{instrument.Name} | {kind} | {instrument.Unit}";
    }
}
