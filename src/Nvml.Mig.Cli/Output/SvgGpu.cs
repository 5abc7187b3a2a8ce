namespace Nvml.Mig.Cli.Output;

/// <summary>A GPU in an SVG: its heading, notes, and its layout, once or before and after.</summary>
internal sealed record SvgGpu(string Heading, IReadOnlyList<string> Notes, IReadOnlyList<SvgRow> Rows);

/// <summary>A GPU's memory slices with the instances on them.</summary>
/// <param name="Title">The line above: Before, After, or nothing.</param>
/// <param name="Geometry">How the GPU can be divided.</param>
/// <param name="Instances">The GPU instances.</param>
/// <param name="Fate">Whether a GPU instance, or a compute instance in it, stays, is destroyed or is created.</param>
internal sealed record SvgRow(
    string Title,
    GpuGeometry Geometry,
    IReadOnlyList<GpuInstanceEntry> Instances,
    Func<GpuInstanceEntry, ComputeInstanceEntry?, SvgFate> Fate);

internal enum SvgFate
{
    Stays,
    Goes,
    Comes,
}
