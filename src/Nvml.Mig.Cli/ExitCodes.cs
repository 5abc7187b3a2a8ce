using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Slurm;
using Nvml.Mig.Configuration;
using Nvml.Mig.Leasing;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli;

/// <summary>The exit code of the process: 0, the nvmlReturn_t of the failure, or one of these.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>EX_USAGE of sysexits.h; greater than every nvmlReturn_t but 999.</summary>
    public const int Usage = 64;

    /// <summary>EX_DATAERR: the assertion does not hold.</summary>
    public const int Differs = 65;

    /// <summary>A change failed, and so did its rollback: what remains is listed.</summary>
    public const int NotRestored = 66;

    /// <summary>EX_TEMPFAIL: a claim was not granted in time. <c>run</c> says 124 instead, as timeout(1).</summary>
    public const int NotGranted = 75;

    /// <summary>Of <c>run</c>, whose exit codes are the program's otherwise: as timeout(1), env(1) and docker run.</summary>
    public const int TimedOut = 124, RunFailed = 125, NotStarted = 126, NoProgram = 127;

    /// <summary>EX_TEMPFAIL: a MIG mode is left pending, and the same apply after a reboot completes.</summary>
    public const int Pending = 75;

    /// <summary>Interrupted, as shells report SIGINT (128 + 2): everything is as it was, or what was done is listed.</summary>
    public const int Cancelled = 130;

    /// <summary>For codes that an exit status cannot hold, such as NVML_ERROR_UNKNOWN (999), and for errors of our own.</summary>
    private const int Other = 255;

    public static int For(NvmlReturnCode code) => (int)code is > 0 and < Usage ? (int)code : Other;

    public static int For(PlanRefusal refusal) =>
        For(refusal.Reason == PlanRefusalReason.NoRoom ? NvmlReturnCode.InsufficientResources : NvmlReturnCode.InUse);

    private static int For(LeaseError error) => error switch
    {
        LeaseError.Invalid => Usage,
        LeaseError.Timeout => NotGranted,
        LeaseError.Impossible => For(NvmlReturnCode.InvalidArgument),
        LeaseError.NotFound or LeaseError.Ended => For(NvmlReturnCode.NotFound),
        LeaseError.Locked => For(NvmlReturnCode.InUse),
        LeaseError.Forbidden => For(NvmlReturnCode.NoPermission),
        _ => For(NvmlReturnCode.OperatingSystem),
    };

    public static int For(Exception failure) => failure switch
    {
        NvmlException e => For(e.Code),
        UsageException or LayoutFileException => Usage,
        PlanningException { Error: PlanningError.UnreadableSpec or PlanningError.InvalidCount } => Usage,
        PlanningException { Error: PlanningError.UnknownInstance } => For(NvmlReturnCode.NotFound),
        PlanningException => For(NvmlReturnCode.InvalidArgument),
        JournalException { IsLocked: true } => For(NvmlReturnCode.InUse),
        JournalException => For(NvmlReturnCode.OperatingSystem),
        LeaseException e => For(e.Error),
        SlurmException => For(NvmlReturnCode.OperatingSystem),
        OperationCanceledException => Cancelled,
        _ => Other,
    };
}
