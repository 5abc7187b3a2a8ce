using System.Diagnostics.Metrics;

namespace Nvml.Mig.Monitoring;

/// <summary>
/// A meter with values of what comes and goes. OpenTelemetry's SDK keeps every set of attributes that an instrument has ever had, at most
/// 2,000, and gives those that come later one value together, without their names. So the meter is made anew now and then.
/// </summary>
internal sealed class RenewedMeter : IDisposable
{
    /// <summary>Of two values for each, as a state has, and of some that do not change, not 2,000 by far.</summary>
    private const int MostSets = 500;

    private readonly Lock _lock = new();
    private readonly HashSet<string> _sets = new(StringComparer.Ordinal);
    private readonly Action<Meter, Action<string>> _create;
    private Meter _meter;
    private bool _isRenewing;
    private bool _isDisposed;

    /// <summary>Creates the meter.</summary>
    /// <param name="create">
    /// Creates its instruments, which are observed. One of them takes note of each set of attributes that it has.
    /// </param>
    public RenewedMeter(Action<Meter, Action<string>> create)
    {
        _create = create;
        _meter = Make();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _isDisposed = true;
            _meter.Dispose();
        }
    }

    private void Note(string set)
    {
        lock (_lock)
        {
            if (!_sets.Add(set) || _sets.Count < MostSets || _isRenewing)
                return;
            _isRenewing = true;
        }

        // Not here: whoever collects goes through the instruments.
        ThreadPool.UnsafeQueueUserWorkItem(_ => Renew(), null);
    }

    private Meter Make()
    {
        Meter meter = new(NvmlTelemetry.SourceName);
        _create(meter, Note);
        return meter;
    }

    private void Renew()
    {
        // Without the lock: whoever listens has locks of his own, and can wait in Note with them.
        _meter.Dispose();
        Meter made = Make();
        lock (_lock)
        {
            _meter = made;
            _sets.Clear();
            _isRenewing = false;
            if (_isDisposed)
                made.Dispose();
        }
    }
}
