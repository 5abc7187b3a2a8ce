using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Tests.Applying;

/// <summary>Adds up how long the changes of a session took, as it logs them.</summary>
internal sealed class ChangeTimes : ILogger
{
    private double _milliseconds;

    public TimeSpan Sum => TimeSpan.FromMilliseconds(_milliseconds);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel == LogLevel.Information;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (state is IEnumerable<KeyValuePair<string, object?>> values)
            _milliseconds += values.Where(value => value.Key == "Milliseconds").Sum(value => (double)value.Value!);
    }
}
