namespace Nvml.Mig.Configuration;

/// <summary>What stands or shall stand on a GPU.</summary>
/// <param name="Gpu">The GPU.</param>
/// <param name="IsMigEnabled">The MIG mode.</param>
/// <param name="LayoutSpec">The instances, all of them; null with MIG disabled.</param>
public sealed record ResolvedGpu(GpuIdentity Gpu, bool IsMigEnabled, LayoutSpec? LayoutSpec)
{
    /// <summary>The entry of the file that says so; null if it came from no file.</summary>
    public FileLocation? Location { get; init; }
}
