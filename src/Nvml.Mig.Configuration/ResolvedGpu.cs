namespace Nvml.Mig.Configuration;

/// <summary>The layout of one GPU: the one asked for, or the one to write to a file.</summary>
/// <param name="Gpu">The GPU.</param>
/// <param name="Layout">All its instances; null with MIG disabled.</param>
public sealed record ResolvedGpu(GpuIdentity Gpu, LayoutSpec? Layout)
{
    /// <summary>Whether MIG mode is enabled.</summary>
    public bool IsMigEnabled => Layout is not null;

    /// <summary>The entry of the file that it comes from; null if it comes from no file.</summary>
    public FileLocation? Location { get; init; }
}
