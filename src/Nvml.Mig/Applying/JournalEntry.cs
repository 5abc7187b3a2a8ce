using System.Text.Json;
using System.Text.Json.Serialization;

namespace Nvml.Mig.Applying;

/// <summary>
/// The intention of an apply, written to disk before its first change: enough to go back and, for a spec that changes what is there,
/// to go on.
/// </summary>
/// <param name="Version">The version of the format: a file of another version is not touched.</param>
/// <param name="Started">When the apply began.</param>
/// <param name="Gpus">
/// The GPUs that it changes, and those of earlier applies that were never finished, without those that were rolled back.
/// </param>
internal sealed record JournalEntry(int Version, DateTimeOffset Started, IReadOnlyList<JournalGpu> Gpus)
{
    public const int CurrentVersion = 2;

    /// <summary>A record that begins now.</summary>
    public static JournalEntry Empty() => new(CurrentVersion, DateTimeOffset.UtcNow, []);

    /// <summary>The GPU's part, if it has one.</summary>
    public JournalGpu? Find(string uuid) => Gpus.FirstOrDefault(g => g.Uuid == uuid);

    /// <summary>The GPU's part, if the apply that wrote it died or could neither finish nor go back.</summary>
    public JournalGpu? FindUnfinished(string uuid) => Find(uuid) is { IsFinished: false } gpu ? gpu : null;

    /// <summary>
    /// The entry with what becomes of the GPUs that were changed, null where they are done with; the same if nothing does.
    /// </summary>
    public JournalEntry Change(IReadOnlyList<GpuTransaction> gpus, Func<GpuTransaction, JournalGpu, JournalGpu?> change)
    {
        List<JournalGpu> changed = [];
        foreach (JournalGpu was in Gpus)
        {
            GpuTransaction? gpu = gpus.FirstOrDefault(g => g.Gpu.Uuid == was.Uuid);
            if ((gpu is null ? was : change(gpu, was)) is { } now)
                changed.Add(now);
        }

        return changed.SequenceEqual(Gpus) ? this : this with { Gpus = changed };
    }

    /// <summary>Refuses an entry that no apply can have written.</summary>
    /// <exception cref="JsonException">The record makes no sense.</exception>
    public void Check()
    {
        if (Gpus.Contains(null!) || Gpus.DistinctBy(g => g.Uuid, StringComparer.Ordinal).Count() != Gpus.Count)
            throw new JsonException("It names no GPU where it should, or one twice.");
        foreach (GpuInstanceSnapshot instance in Gpus.SelectMany(g => g.Before.Instances.Concat(g.Goal.Instances).Concat(g.Own)))
        {
            if (instance?.Profile is null || !IsPlace(instance.Placement)
                || instance.ComputeInstances.Any(c => c is null || (c.Placement is { } place && !IsPlace(place))))
                throw new JsonException("An instance in it makes no sense.");
        }

        static bool IsPlace(Placement place) => place is { Start: >= 0, Size: > 0 };
    }
}

/// <summary>A GPU in a record.</summary>
/// <param name="Uuid">Its UUID.</param>
/// <param name="Spec">The spec as text; null if the instances were to stay.</param>
/// <param name="Before">The GPU before the first change.</param>
/// <param name="Goal">The GPU as it was to be.</param>
/// <param name="Own">
/// The instances that a rollback may destroy: those that this apply is to create, and those that exist of earlier, unfinished applies;
/// where it is known, only those that exist.
/// </param>
/// <param name="IsFinished">Whether the GPU is as it was to be, or as it was.</param>
internal sealed record JournalGpu(
    string Uuid, string? Spec, GpuSnapshot Before, GpuSnapshot Goal, IReadOnlyList<GpuInstanceSnapshot> Own, bool IsFinished);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    WriteIndented = true,
    IgnoreReadOnlyProperties = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(JournalEntry))]
internal sealed partial class JournalJson : JsonSerializerContext;
