using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Native;

/// <summary>
/// Writes to the caller's logger, and goes on if that throws: a change must not look failed, nor its result be lost, because of its log
/// line.
/// </summary>
internal sealed class QuietLogger(ILogger logger) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => logger.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return logger.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception e)
        {
            Debug.WriteLine(e); // There is nobody else left to tell.
        }
    }
}
