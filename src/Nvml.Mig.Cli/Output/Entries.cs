using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Leasing;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Output;

// The parts that several documents of --json have in common. Members are added, never renamed or removed.

internal sealed record MigModeEntry(bool Current, bool Pending)
{
    public static MigModeEntry From(MigMode mode) => new(mode.Current, mode.Pending);
}

internal sealed record PlacementEntry(int Start, int Size)
{
    public static PlacementEntry From(Placement placement) => new(placement.Start, placement.Size);

    public static PlacementEntry? FromOptional(Placement? placement) => placement is { } there ? From(there) : null;
}

/// <summary>A GPU instance; <c>id</c> is null for a planned one.</summary>
internal sealed record GpuInstanceEntry(
    int? Id, string Profile, int ProfileId, PlacementEntry Placement, IReadOnlyList<ComputeInstanceEntry> ComputeInstances)
{
    public static GpuInstanceEntry From(GpuInstanceSnapshot instance) => new(
        instance.Id,
        instance.Profile.Name,
        instance.Profile.Id,
        PlacementEntry.From(instance.Placement),
        [.. instance.ComputeInstances.Select(ComputeInstanceEntry.From)]);
}

/// <summary>
/// A compute instance; profile id and placement are null for a planned one if NVML has not reported yet what its GPU instance can hold.
/// </summary>
internal sealed record ComputeInstanceEntry(int? Id, string Profile, int? ProfileId, PlacementEntry? Placement, string? MigUuid)
{
    public static ComputeInstanceEntry From(ComputeInstanceSnapshot instance) =>
        new(instance.Id, instance.Name, instance.Profile?.Id, PlacementEntry.FromOptional(instance.Placement), instance.MigUuid);
}

/// <summary>The document of a command that could not begin.</summary>
internal sealed record ErrorDocument(ErrorEntry Error);

/// <summary>A failure: the nvmlReturn_t and the native function, or the exit code and null if the driver was not involved.</summary>
internal sealed record ErrorEntry(int Code, string Name, string? Function, string Message)
{
    public static ErrorEntry From(Exception failure) => failure is NvmlException e
        ? new ErrorEntry((int)e.Code, e.Code.ToString(), e.Function.Length > 0 ? e.Function : null, e.Message)
        : new ErrorEntry(ExitCodes.For(failure), failure switch
        {
            Arguments.UsageException => "Usage",
            LayoutFileException => "LayoutFile",
            PlanningException planning => planning.Error.ToString(),
            JournalException journal => journal.IsLocked ? "Locked" : "Record",
            LeaseException lease => lease.Error.ToString(),
            Slurm.SlurmException => "Slurm",
            OperationCanceledException => "Cancelled",
            _ => "Unexpected",
        }, null, failure.Message);

    public static ErrorEntry From(PlanRefusal refusal)
    {
        int code = ExitCodes.For(refusal);
        return new ErrorEntry(code, ((NvmlReturnCode)code).ToString(), null, refusal.Message);
    }

    public static ErrorEntry? FromOptional(Exception? failure) => failure is null ? null : From(failure);
}
