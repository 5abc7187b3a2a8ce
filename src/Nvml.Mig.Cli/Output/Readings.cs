namespace Nvml.Mig.Cli.Output;

/// <summary>The end of a command that reads: the GPUs that did not answer, and the exit code.</summary>
internal static class Readings
{
    public static int Finish<T>(IReadOnlyList<Reading<T>> readings)
        where T : class
    {
        List<NvmlException> errors = [.. readings.Select(reading => reading.Error).OfType<NvmlException>()];
        foreach (NvmlException error in errors)
            Failures.Say(error.Message);
        return errors.Count == 0 ? ExitCodes.Success : ExitCodes.For(errors[0]);
    }
}
