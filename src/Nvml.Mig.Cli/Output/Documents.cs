using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Bench;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Configuration;
using Nvml.Mig.Host;
using Nvml.Mig.Planning;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// What <c>--json</c> prints. Members are added, never renamed or removed. In each document <c>error</c> is null exactly if the exit code
/// is 0; in each entry of <c>gpus</c> it is what failed on that GPU.
/// </summary>
internal sealed record DevicesDocument(string DriverVersion, string NvmlVersion, string Library, IReadOnlyList<DeviceEntry> Gpus, ErrorEntry? Error);

/// <summary>What <c>devices</c> says of a GPU: all null but the error if it does not answer; <c>mig</c> null if it cannot be divided.</summary>
internal sealed record DeviceEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, bool? MigCapable, MigModeEntry? Mig, ErrorEntry? Error);

internal sealed record MigModeEntry(bool Current, bool Pending)
{
    public static MigModeEntry From(MigMode mode) => new(mode.Current, mode.Pending);
}

internal sealed record ModeChangeDocument(IReadOnlyList<ModeChangeEntry> Gpus, ErrorEntry? Error);

/// <summary>How a GPU's change of mode ended; <c>changed</c> is false where it was in that mode before, or still is in the other.</summary>
internal sealed record ModeChangeEntry(int Index, MigModeOutcome? Outcome, NvmlReturnCode? Reason, bool Changed, ErrorEntry? Error);

internal sealed record ProfilesDocument(IReadOnlyList<GpuProfilesEntry> Gpus, ErrorEntry? Error);

internal sealed record GpuProfilesEntry(int Index, string? Uuid, IReadOnlyList<ProfileEntry>? Profiles, ErrorEntry? Error);

internal sealed record ProfileEntry(
    int Id,
    string Name,
    int Number,
    int Free,
    int Total,
    int Slices,
    long MemoryMiB,
    int Multiprocessors,
    int CopyEngines,
    int Decoders,
    int Encoders,
    int Jpegs,
    int Ofas,
    bool P2P);

internal sealed record PlacementsDocument(IReadOnlyList<GpuPlacementsEntry> Gpus, ErrorEntry? Error);

internal sealed record GpuPlacementsEntry(int Index, string? Uuid, IReadOnlyList<ProfilePlacementsEntry>? Profiles, ErrorEntry? Error);

internal sealed record ProfilePlacementsEntry(int Id, string Name, IReadOnlyList<PlacementEntry> Placements);

internal sealed record PlacementEntry(int Start, int Size)
{
    public static PlacementEntry From(Placement placement) => new(placement.Start, placement.Size);

    public static PlacementEntry? FromOptional(Placement? placement) => placement is { } there ? From(there) : null;
}

internal sealed record ListDocument(IReadOnlyList<GpuLayoutEntry> Gpus, ErrorEntry? Error);

internal sealed record GpuLayoutEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, MigModeEntry? Mig, IReadOnlyList<GpuInstanceEntry>? GpuInstances, ErrorEntry? Error);

/// <summary>A GPU instance; <c>id</c> is null for one that is only planned.</summary>
internal sealed record GpuInstanceEntry(
    int? Id, string Profile, int ProfileId, PlacementEntry Placement, IReadOnlyList<ComputeInstanceEntry> ComputeInstances);

/// <summary>A compute instance; profile id and placement are null for one that is planned where NVML has not shown yet what goes inside.</summary>
internal sealed record ComputeInstanceEntry(int? Id, string Profile, int? ProfileId, PlacementEntry? Placement, string? MigUuid)
{
    public static ComputeInstanceEntry From(ComputeInstanceSnapshot instance) =>
        new(instance.Id, instance.Name, instance.Profile?.Id, PlacementEntry.FromOptional(instance.Placement), instance.MigUuid);
}

internal sealed record CreateDocument(IReadOnlyList<CreatedEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// What was done on a GPU: whether MIG mode was enabled, what was created, what failed (null: nothing), what was not tried after it or
/// after an interruption, and, after either, what there is room for (null: it cannot be read).
/// </summary>
internal sealed record CreatedEntry(
    int Index,
    string Uuid,
    bool MigEnabled,
    IReadOnlyList<GpuInstanceEntry> Created,
    string? Failed,
    IReadOnlyList<string> NotTried,
    IReadOnlyList<RoomEntry>? Room,
    ErrorEntry? Error);

/// <summary>How many more instances of a profile a GPU has room for.</summary>
internal sealed record RoomEntry(string Profile, int Free, int Total);

internal sealed record DestroyDocument(IReadOnlyList<DestroyedEntry> Gpus, ErrorEntry? Error);

/// <summary>What was destroyed on a GPU: <c>2/0</c> is compute instance 0 of GPU instance 2, <c>2</c> the GPU instance.</summary>
internal sealed record DestroyedEntry(int Index, string Uuid, IReadOnlyList<string> Destroyed, IReadOnlyList<string> NotDestroyed, ErrorEntry? Error);

/// <summary>What <c>plan</c> prints: for each GPU the plan or why there is none; with <c>--anywhere</c> GPUs that stay as they are have no entry.</summary>
internal sealed record PlanDocument(IReadOnlyList<PlanEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// A plan for a GPU: null index and UUID for one that is only a model. Without a plan, <c>after</c> and <c>steps</c> are null and
/// <c>refusal</c> is not. <c>room</c> and <c>fragmentation</c> are those afterwards. <c>verified</c> is false where NVML has not shown yet
/// whether the compute instances can be.
/// </summary>
internal sealed record PlanEntry(
    int? Index,
    string? Uuid,
    string Name,
    MigModeEntry? Mig,
    [property: JsonPropertyName("wish")] string LayoutSpec,
    IReadOnlyList<GpuInstanceEntry> Before,
    IReadOnlyList<GpuInstanceEntry>? After,
    IReadOnlyList<int?>? Kept,
    IReadOnlyList<PlanStepEntry>? Steps,
    long? Room,
    double? Fragmentation,
    RefusalEntry? Refusal,
    bool? Verified,
    ErrorEntry? Error);

/// <summary>A step of a plan. The GPU instance is the one at that placement; the id is null if the plan creates it.</summary>
internal sealed record PlanStepEntry(
    LayoutStepKind Action,
    int? GpuInstanceId,
    string Profile,
    int ProfileId,
    PlacementEntry Placement,
    int? ComputeInstanceId,
    string? ComputeProfile,
    int? ComputeProfileId,
    PlacementEntry? ComputePlacement,
    string Reason,
    int? ComputeSlices);

/// <summary>Why there is no plan; <c>removal</c> names the GPU instances without which there would be one.</summary>
internal sealed record RefusalEntry(
    PlanRefusalReason Reason,
    string Message,
    IReadOnlyList<PlanShortage> Shortages,
    IReadOnlyList<InTheWayEntry> InTheWay,
    IReadOnlyList<int?>? Removal,
    IReadOnlyList<string> Nearest);

internal sealed record InTheWayEntry(int? GpuInstanceId, string Profile, PlacementEntry Placement, IReadOnlyList<UserEntry> Users);

internal sealed record UserEntry(int ProcessId, string? Name);

/// <summary>What <c>apply</c> and <c>rollback</c> print.</summary>
internal sealed record ApplyDocument(IReadOnlyList<ApplyEntry> Gpus, ServiceReport? Services, ErrorEntry? Error);

/// <summary>
/// What came of an apply on a GPU. <c>after</c> is what was read after the last change, null if nothing was changed or it could not be
/// read; <c>differences</c> is what remains where the GPU is neither as it was to be nor as it was, <c>leftAlone</c> what others have made.
/// </summary>
internal sealed record ApplyEntry(
    int Index,
    string Uuid,
    ApplyOutcome Outcome,
    string Message,
    GpuStateEntry? Before,
    GpuStateEntry? After,
    IReadOnlyList<ApplyStepEntry> Steps,
    IReadOnlyList<ApplyStepEntry> RollbackSteps,
    IReadOnlyList<string> Differences,
    IReadOnlyList<string> LeftAlone,
    RefusalEntry? Refusal,
    ErrorEntry? Error,
    ErrorEntry? RollbackError);

/// <summary>The MIG mode and the instances of a GPU.</summary>
internal sealed record GpuStateEntry(MigModeEntry Mig, IReadOnlyList<GpuInstanceEntry> GpuInstances)
{
    public static GpuStateEntry? From(GpuSnapshot? layout) => layout is null
        ? null
        : new(MigModeEntry.From(layout.Mode), [.. layout.Instances.Select(i => new GpuInstanceEntry(
            i.Id,
            i.Profile.Name,
            i.Profile.Id,
            PlacementEntry.From(i.Placement),
            [.. i.ComputeInstances.Select(ComputeInstanceEntry.From)]))]);
}

internal sealed record ApplyStepEntry(LayoutStepKind Action, string Step, ApplyStepOutcome Outcome, int Attempts, ErrorEntry? Error)
{
    public static ApplyStepEntry From(ApplyStepResult result) =>
        new(result.Step.Kind, result.Step.ToString(), result.Outcome, result.Attempts, ErrorEntry.FromOptional(result.Error));
}

/// <summary>What <c>bench</c> prints: what was measured until the end, or until it failed, and how it left the GPU.</summary>
internal sealed record BenchDocument(
    int Index,
    string Uuid,
    string Name,
    string DriverVersion,
    string Library,
    int Repetitions,
    int Warmup,
    IReadOnlyList<MeasurementEntry> Measurements,
    ApplyOutcome Outcome,
    IReadOnlyList<string> Differences,
    ErrorEntry? Error);

/// <summary>
/// How long an operation took, in milliseconds: the percentiles by nearest rank, and every repetition in its order. <c>calls</c> are the
/// native functions that the time holds; for a layout those of one GPU instance with its compute instance.
/// </summary>
internal sealed record MeasurementEntry(
    BenchOperation Operation,
    string? Profile,
    int? ProfileId,
    PlacementEntry? Placement,
    string? Layout,
    IReadOnlyList<string> Calls,
    double MinMilliseconds,
    double P50Milliseconds,
    double P95Milliseconds,
    double MaxMilliseconds,
    IReadOnlyList<double> Milliseconds);

internal sealed record AssertDocument(IReadOnlyList<AssertEntry> Gpus, ErrorEntry? Error);

/// <summary>Whether a GPU is as it should be, and if not, in what it differs.</summary>
internal sealed record AssertEntry(int Index, string Uuid, bool Holds, IReadOnlyList<string> Differences, ErrorEntry? Error);

internal sealed record ExportDocument(IReadOnlyList<ExportEntry> Gpus, ErrorEntry? Error);

/// <summary>The layout of a GPU as <c>apply</c> takes it; null while MIG is disabled.</summary>
internal sealed record ExportEntry(int Index, string Uuid, string Name, MigModeEntry Mig, string? Layout, ErrorEntry? Error);

internal sealed record ResetDocument(IReadOnlyList<string> Reset, ErrorEntry? Error);

internal sealed record ModelsDocument(IReadOnlyList<SimulatedModel> Models, ErrorEntry? Error);

/// <summary>What a command prints that could not even begin.</summary>
internal sealed record ErrorDocument(ErrorEntry Error);

/// <summary>A failure: the nvmlReturn_t and the native function, or the exit code and null where the driver was not asked.</summary>
internal sealed record ErrorEntry(int Code, string Name, string? Function, string Message)
{
    public static ErrorEntry From(Exception failure) => failure is NvmlException e
        ? new ErrorEntry((int)e.Code, e.Code.ToString(), e.Function.Length > 0 ? e.Function : null, e.Message)
        : new ErrorEntry(ExitCodes.For(failure), failure switch
        {
            UsageException => "Usage",
            LayoutFileException => "LayoutFile",
            PlanningException e2 => e2.Error.ToString(),
            JournalException e2 => e2.IsLocked ? "Locked" : "Record",
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

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true, UseStringEnumConverter = true)]
[JsonSerializable(typeof(DevicesDocument))]
[JsonSerializable(typeof(DoctorDocument))]
[JsonSerializable(typeof(ModeChangeDocument))]
[JsonSerializable(typeof(ProfilesDocument))]
[JsonSerializable(typeof(PlacementsDocument))]
[JsonSerializable(typeof(ListDocument))]
[JsonSerializable(typeof(CreateDocument))]
[JsonSerializable(typeof(DestroyDocument))]
[JsonSerializable(typeof(PlanDocument))]
[JsonSerializable(typeof(ApplyDocument))]
[JsonSerializable(typeof(AssertDocument))]
[JsonSerializable(typeof(ExportDocument))]
[JsonSerializable(typeof(BenchDocument))]
[JsonSerializable(typeof(ErrorDocument))]
[JsonSerializable(typeof(ResetDocument))]
[JsonSerializable(typeof(ModelsDocument))]
internal sealed partial class Documents : JsonSerializerContext
{
    public static void Print<T>(T document)
    {
        // It goes to a terminal or a file, not into a web page: the plus in 1g.5gb+me may be a plus.
        Documents plain = new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        Console.Out.WriteLine(JsonSerializer.Serialize(document, typeof(T), plain));
    }
}
