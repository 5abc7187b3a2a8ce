using System.Diagnostics.Metrics;
using System.Globalization;

namespace Nvml.Mig.Tests.Monitoring;

/// <summary>Collects metrics as an exporter does.</summary>
internal sealed class MetricCollector : IDisposable
{
    private readonly MeterListener _listener = new();
    private readonly List<Value> _values = [];

    /// <summary>From now on listens to the meter of the packages.</summary>
    public MetricCollector()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name != NvmlTelemetry.SourceName)
                return;
            lock (_values)
                Instruments[instrument.Name] = instrument;
            listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        _listener.Start();
    }

    public Dictionary<string, Instrument> Instruments { get; } = new(StringComparer.Ordinal);

    /// <summary>All measurements since the collector began, or was last asked, and those of what is observed now.</summary>
    public IReadOnlyList<Value> Collect()
    {
        _listener.RecordObservableInstruments();
        lock (_values)
        {
            Value[] all = [.. _values];
            _values.Clear();
            return all;
        }
    }

    public void Dispose() => _listener.Dispose();

    private void Add(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        Dictionary<string, string> texts = new(StringComparer.Ordinal);
        foreach ((string name, object? text) in tags)
            texts[name] = Convert.ToString(text, CultureInfo.InvariantCulture)!;
        lock (_values)
            _values.Add(new Value(instrument.Name, value, texts));
    }

    internal sealed record Value(string Name, double Number, Dictionary<string, string> Tags)
    {
        public string? Id => Tags.GetValueOrDefault("hw.id");
    }
}
