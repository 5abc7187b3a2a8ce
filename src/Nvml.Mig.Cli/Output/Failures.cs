using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Output;

/// <summary>How a command that could not do its work ends.</summary>
internal static class Failures
{
    /// <summary>One line on standard error; with <c>--json</c>, the same as a document on standard output. Returns the exit code.</summary>
    public static int Report(Exception failure, bool json)
    {
        // Standard output above all: a full disk, a closed stream. Then the document cannot be written either.
        if (failure is IOException or UnauthorizedAccessException)
        {
            Say($"Cannot write: {failure.GetBaseException().Message}");
            return ExitCodes.For(NvmlReturnCode.OperatingSystem);
        }

        Say(failure is NvmlException or UsageException or PlanningException or LayoutFileException or JournalException or OperationCanceledException ? failure.Message : $"unexpected, please report: {failure}");
        if (json)
            Documents.Print(new ErrorDocument(ErrorEntry.From(failure)));
        return ExitCodes.For(failure);
    }

    public static void Say(string message) => Console.Error.WriteLine($"nvmig: {message}");
}
