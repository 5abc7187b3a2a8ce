namespace Nvml.Mig.Cli.Output;

/// <summary>A reading of a GPU, or the reason why there is none.</summary>
internal sealed record Reading<T>(GpuDevice Gpu, T? Value, NvmlException? Error)
    where T : class;

/// <summary>The end of a command that reads: what is to be noticed, the GPUs that did not answer, and the exit code.</summary>
internal static class Readings
{
    public static int Finish<T>(IReadOnlyList<Reading<T>> readings, Func<T, string?>? notice = null)
        where T : class
    {
        foreach (Reading<T> reading in readings)
        {
            if (reading.Value is { } value && notice?.Invoke(value) is { } text)
                Terminal.WriteError($"GPU {reading.Gpu.Index}: {text}");
        }

        foreach (NvmlException error in readings.Select(reading => reading.Error).OfType<NvmlException>())
            Terminal.WriteError(error.Message);
        return FirstError(readings) is { } first ? ExitCodes.For(first) : ExitCodes.Success;
    }

    /// <summary>The error that the document and the exit code name.</summary>
    public static NvmlException? FirstError<T>(IReadOnlyList<Reading<T>> readings)
        where T : class => readings.Select(reading => reading.Error).FirstOrDefault(error => error is not null);

    /// <summary>Reads what a report mentions; null if the GPU does not answer, which must not keep the report from being made.</summary>
    public static T? TryRead<T>(Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (NvmlException)
        {
            return null;
        }
    }
}
