using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>The layouts that are asked for.</summary>
/// <param name="Targets">The GPUs to divide.</param>
/// <param name="LeftOut">The GPUs without an entry in the file.</param>
/// <param name="NotMigCapable">The GPUs with an entry that cannot be divided.</param>
internal sealed record RequestedLayouts(
    IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuIdentity> LeftOut, IReadOnlyList<ResolvedGpu> NotMigCapable)
{
    /// <summary>Names on standard error the GPUs on which there is nothing to do.</summary>
    public void WriteNotes()
    {
        foreach (GpuIdentity gpu in LeftOut)
            Terminal.WriteError($"GPU {gpu.Index}: the layout does not cover it: it stays as it is.");
        foreach (ResolvedGpu gpu in NotMigCapable)
            Terminal.WriteError($"GPU {gpu.Gpu.Index}: a {gpu.Gpu.Name} cannot be divided: there is nothing to do.");
    }

    /// <summary>Says on standard error which names mean profiles that the driver of a GPU calls otherwise.</summary>
    public static void WriteNotes(GpuDevice gpu, LayoutSpec? layout, GpuGeometry? geometry)
    {
        foreach (string note in layout is null || geometry is null ? [] : layout.GetNotes(geometry))
            Terminal.WriteError($"GPU {gpu.Index}: {note}");
    }
}
