using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Output;

/// <summary>What <c>--json</c> prints. Members are added, never renamed or removed.</summary>
internal sealed record DevicesDocument(string DriverVersion, string NvmlVersion, string Library, IReadOnlyList<DeviceEntry> Gpus);

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

internal sealed record ProfilesDocument(IReadOnlyList<GpuProfilesEntry> Gpus);

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

internal sealed record PlacementsDocument(IReadOnlyList<GpuPlacementsEntry> Gpus);

internal sealed record GpuPlacementsEntry(int Index, string? Uuid, IReadOnlyList<ProfilePlacementsEntry>? Profiles, ErrorEntry? Error);

internal sealed record ProfilePlacementsEntry(int Id, string Name, IReadOnlyList<PlacementEntry> Placements);

internal sealed record PlacementEntry(int Start, int Size)
{
    public static PlacementEntry From(Placement placement) => new(placement.Start, placement.Size);
}

internal sealed record ListDocument(IReadOnlyList<GpuLayoutEntry> Gpus);

internal sealed record GpuLayoutEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, MigModeEntry? Mig, IReadOnlyList<GpuInstanceEntry>? GpuInstances, ErrorEntry? Error);

internal sealed record GpuInstanceEntry(
    int Id, string Profile, int ProfileId, PlacementEntry Placement, IReadOnlyList<ComputeInstanceEntry> ComputeInstances);

internal sealed record ComputeInstanceEntry(int Id, string Profile, int ProfileId, PlacementEntry Placement, string? MigUuid);

internal sealed record CreateDocument(IReadOnlyList<CreatedEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// What was done on a GPU: whether MIG mode was enabled, what was created, what failed (null: nothing), what was not tried after it,
/// and, after a failure, what there is room for (null: it cannot be read).
/// </summary>
internal sealed record CreatedEntry(
    int Index,
    string Uuid,
    bool MigEnabled,
    IReadOnlyList<GpuInstanceEntry> Created,
    string? Failed,
    IReadOnlyList<string> NotTried,
    IReadOnlyList<RoomEntry>? Room);

/// <summary>How many more instances of a profile a GPU has room for.</summary>
internal sealed record RoomEntry(string Profile, int Free, int Total);

internal sealed record DestroyDocument(IReadOnlyList<DestroyedEntry> Gpus, ErrorEntry? Error);

/// <summary>What was destroyed on a GPU: <c>2/0</c> is compute instance 0 of GPU instance 2, <c>2</c> the GPU instance.</summary>
internal sealed record DestroyedEntry(int Index, string Uuid, IReadOnlyList<string> Destroyed, IReadOnlyList<string> NotDestroyed);

internal sealed record ResetDocument(IReadOnlyList<string> Reset);

internal sealed record ModelsDocument(IReadOnlyList<SimulatedModel> Models);

/// <summary>What a command prints that could not even begin.</summary>
internal sealed record ErrorDocument(ErrorEntry Error);

/// <summary>A failure: the nvmlReturn_t and the native function, or the exit code and null where the driver was not asked.</summary>
internal sealed record ErrorEntry(int Code, string Name, string? Function, string Message)
{
    public static ErrorEntry From(Exception failure) => failure is NvmlException e
        ? new ErrorEntry((int)e.Code, e.Code.ToString(), e.Function, e.Message)
        : new ErrorEntry(ExitCodes.For(failure), failure is UsageException ? "Usage" : "Unexpected", null, failure.Message);

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
