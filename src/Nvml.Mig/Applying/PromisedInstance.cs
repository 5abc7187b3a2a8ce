using System.Text.Json;
using System.Text.Json.Serialization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>
/// A GPU instance that is promised to somebody, whether it is in use or not: an apply, a rollback and an exclusive run of the same journal
/// folder leave it as it is.
/// </summary>
/// <param name="Gpu">The UUID of the GPU.</param>
/// <param name="ProfileId">The id of its profile; negative: it is the whole GPU, with MIG disabled, and its mode is left as it is.</param>
/// <param name="Placement">Its memory slices.</param>
/// <param name="Lease">The name of the promise, for messages.</param>
public sealed record PromisedInstance(string Gpu, int ProfileId, Placement Placement, string Lease)
{
    private const string FileName = "promised.json";

    /// <summary>The process that the promise ends with; null: none.</summary>
    public HostProcess? Process { get; init; }

    /// <summary>When the promise ends; null: not by time.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary>
    /// Whether the promise holds, although nobody may have looked since it ended. An instance that is still used afterwards is left alone
    /// for that.
    /// </summary>
    [JsonIgnore]
    public bool IsInForce => Process is not { IsRunning: false } && !(Expires <= DateTimeOffset.UtcNow);

    /// <summary>Reads what is promised on this machine since it was booted, whether it is in force or not.</summary>
    /// <param name="journalFolder">The <see cref="ApplyOptions.JournalFolder"/>.</param>
    /// <returns>The instances; none if nothing is promised.</returns>
    /// <exception cref="JournalException">It cannot be read: then it is not known what must not be touched.</exception>
    public static IReadOnlyList<PromisedInstance> ReadAll(string journalFolder)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalFolder);
        string file = Path.Combine(journalFolder, FileName);
        try
        {
            if (PrivateFile.Read(file) is not { } content)
                return [];
            PromisedFile promised = JsonSerializer.Deserialize(content, PromisedJson.Default.PromisedFile)
                ?? throw new JsonException("It is empty.");
            // No instance survives a reboot, nor does a promise.
            return promised.BootId == HostProcess.BootId ? promised.Instances : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            throw new JournalException(
                $"{file} cannot be read: {e.Message} Nothing was changed, since it is not known which instances are promised.", e);
        }
    }

    /// <summary>Records what is promised, in place of what was. The caller has the <see cref="ChangeLock"/>.</summary>
    /// <param name="journalFolder">The <see cref="ApplyOptions.JournalFolder"/>.</param>
    /// <param name="instances">All that is promised.</param>
    /// <exception cref="JournalException">It cannot be written.</exception>
    public static void WriteAll(string journalFolder, IReadOnlyList<PromisedInstance> instances)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalFolder);
        ArgumentNullException.ThrowIfNull(instances);
        string file = Path.Combine(journalFolder, FileName);
        try
        {
            PromisedFile promised = new(HostProcess.BootId, instances);
            // Not to the disk: a crash of the machine ends all promises.
            PrivateFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(promised, PromisedJson.Default.PromisedFile), toDisk: false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"What is promised cannot be recorded in {file}: {e.Message}", e);
        }
    }

    /// <summary>The promise in force that an instance is under; null if it is under none.</summary>
    /// <param name="promised">What is promised: see <see cref="ReadAll"/>.</param>
    /// <param name="gpu">The UUID of the GPU.</param>
    /// <param name="profileId">The id of the instance's profile.</param>
    /// <param name="placement">The instance's memory slices.</param>
    public static PromisedInstance? Find(IEnumerable<PromisedInstance> promised, string gpu, int profileId, Placement placement)
    {
        ArgumentNullException.ThrowIfNull(promised);
        return promised.FirstOrDefault(p => p.IsInForce && p.Gpu == gpu && p.ProfileId == profileId && p.Placement == placement);
    }

    /// <summary>Refuses to change a GPU that is promised as a whole.</summary>
    /// <param name="promised">What is promised: see <see cref="ReadAll"/>.</param>
    /// <param name="gpu">The GPU.</param>
    /// <returns>The refusal; null if it is not promised as a whole.</returns>
    public static NvmlInUseException? RefuseWhole(IEnumerable<PromisedInstance> promised, GpuDevice gpu)
    {
        ArgumentNullException.ThrowIfNull(promised);
        ArgumentNullException.ThrowIfNull(gpu);
        return promised.FirstOrDefault(p => p.IsInForce && p.Gpu == gpu.Uuid && p.ProfileId < 0) is not { Lease: var lease }
            ? null
            : new NvmlInUseException(
                NvmlReturnCode.InUse,
                NvmlFunction.SetMigMode,
                $"{gpu} is leased whole ({lease}), and its MIG mode stays as it is. To end the lease, run 'nvmig lease release {lease}'. "
                    + "Nothing was changed.");
    }
}

/// <summary>The file.</summary>
/// <param name="BootId">The boot in which it was promised.</param>
/// <param name="Instances">All that is promised.</param>
internal sealed record PromisedFile(string BootId, IReadOnlyList<PromisedInstance> Instances);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(PromisedFile))]
internal sealed partial class PromisedJson : JsonSerializerContext;
