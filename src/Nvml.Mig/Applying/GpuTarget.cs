using Nvml.Mig.Planning;

namespace Nvml.Mig.Applying;

/// <summary>A GPU and its goal.</summary>
/// <param name="Gpu">The GPU.</param>
/// <param name="Layout">
/// The instances that are wanted; null: those that are there stay, or go if <paramref name="MigEnabled"/> is false.
/// </param>
/// <param name="MigEnabled">The MIG mode that is wanted. Instances need it enabled, so that is the default.</param>
public sealed record GpuTarget(GpuDevice Gpu, LayoutSpec? Layout, bool MigEnabled = true)
{
    /// <summary>
    /// The ids of GPU instances that may be destroyed although they are in use. The driver still destroys nothing that a process uses:
    /// this takes that their processes end within <see cref="ApplyOptions.Timeout"/>.
    /// </summary>
    public IReadOnlyCollection<int> AllowInUse { get; init; } = [];

    /// <inheritdoc cref="PlanOptions.Keep"/>
    public IReadOnlyCollection<int> Keep { get; init; } = [];

    /// <inheritdoc cref="PlanOptions.EvictIdle"/>
    public bool EvictIdle { get; init; }

    internal PlanOptions PlanOptions => new() { AllowInUse = AllowInUse, Keep = Keep, EvictIdle = EvictIdle };
}
