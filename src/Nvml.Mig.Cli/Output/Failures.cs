using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Configuration;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Output;

/// <summary>How a command ends that could not do its work.</summary>
internal static class Failures
{
    /// <summary>Writes one line on standard error, and with <c>--json</c> the same as a document. Returns the exit code.</summary>
    public static int Report(Exception failure, bool json)
    {
        if (failure is IOException or UnauthorizedAccessException)
        {
            Terminal.WriteError($"Cannot write: {failure.GetBaseException().Message}");
            return ExitCodes.For(NvmlReturnCode.OperatingSystem); // A file that was named; for standard output see Terminal.Finish.
        }

        if (failure is NvmlException or UsageException or PlanningException or LayoutFileException or JournalException or LeaseException
            or SlurmException or OperationCanceledException)
        {
            Terminal.WriteError(failure.Message);
        }
        else
        {
            foreach (string line in $"unexpected, please report: {failure}".Split('\n'))
                Terminal.WriteError(line);
        }

        if (json)
            Documents.Print(new ErrorDocument(ErrorEntry.From(failure)));
        return ExitCodes.For(failure);
    }
}
