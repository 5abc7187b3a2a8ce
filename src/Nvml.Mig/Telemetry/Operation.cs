using System.Diagnostics;

namespace Nvml.Mig;

/// <summary>An operation under way: a span, and when it is disposed of, its duration.</summary>
internal sealed class Operation : IDisposable
{
    private readonly string _name;
    private readonly Activity? _span;
    private readonly long _started = Stopwatch.GetTimestamp();
    private string? _error;

    private Operation(string name)
    {
        _name = name;
        _span = NvmlTelemetry.Source.StartActivity($"nvml.mig.{name}");
    }

    public static Operation Start(string name) => new(name);

    /// <summary>It has failed. <paramref name="error"/> is one of few words, <paramref name="message"/> says it all.</summary>
    public void Fail(string error, string message)
    {
        _error = error;
        _span?.SetTag("error.type", error).SetStatus(ActivityStatusCode.Error, message);
    }

    /// <summary>Says more about it in the span.</summary>
    public void Describe(string attribute, object value) => _span?.SetTag(attribute, value);

    /// <inheritdoc cref="Fail(string, string)"/>
    public void Fail(Exception e) => Fail(e is NvmlException nvml ? nvml.Code.ToSymbol() : e.GetType().Name, e.Message);

    public void Dispose()
    {
        _span?.Dispose();
        NvmlTelemetry.RecordDuration(_name, Stopwatch.GetElapsedTime(_started), _error);
    }
}
