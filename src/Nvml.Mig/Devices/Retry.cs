namespace Nvml.Mig;

/// <summary>
/// Decides whether a call that failed is tried again, and when: if the failure may pass by itself (<see
/// cref="NvmlException.IsTransient"/>), until a timeout, with pauses that double up to a second.
/// </summary>
internal sealed class Retry(TimeSpan timeout, TimeSpan firstDelay, TimeProvider time)
{
    private long _started = time.GetTimestamp();
    private TimeSpan _delay = firstDelay;

    public static TimeSpan MaxDelay => TimeSpan.FromSeconds(1);

    public TimeSpan Elapsed => time.GetElapsedTime(_started);

    public bool IsOver => timeout != Timeout.InfiniteTimeSpan && Elapsed >= timeout;

    public bool IsWorthwhile(Exception failure) => failure is NvmlException { IsTransient: true } && !IsOver;

    /// <summary>The pause before the next attempt.</summary>
    public TimeSpan NextDelay()
    {
        TimeSpan delay = _delay;
        _delay = delay * 2 < MaxDelay ? delay * 2 : MaxDelay;
        return delay;
    }

    /// <summary>Counts the time from now on: something was done about the cause.</summary>
    public void StartAgain() => _started = time.GetTimestamp();
}
