using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>The instances of a GPU as a drawing.</summary>
internal static class ListPicture
{
    public static SvgGpu From(Reading<Layout> reading)
    {
        if (reading.Value is not { } layout)
            return new SvgGpu($"GPU {reading.Gpu.Index}", [reading.Error!.Message], []);
        return layout.Geometry is { } geometry
            ? new SvgGpu(layout.Heading, [], [new SvgRow("", geometry, layout.GpuInstances, (_, _) => SvgFate.Stays)])
            : new SvgGpu(layout.Heading, [], []);
    }
}
