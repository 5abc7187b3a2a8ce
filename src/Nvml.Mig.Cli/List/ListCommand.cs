using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary><c>nvmig list</c>: lists the instances, as a table and a picture.</summary>
internal static class ListCommand
{
    public static Command Build()
    {
        Command command = new(
            "list", "List the GPU instances, compute instances and MIG devices, and draw their placements.") { SvgOption.File };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(machine, SvgOption.Get(parsed))));
        return command;
    }

    private static int Run(Machine machine, string? svg)
    {
        IReadOnlyList<Reading<Layout>> layouts = machine.ReadEach((gpu, mode) =>
            Layout.Read(gpu, mode, draws: !machine.Json && svg != "-", drawsSvg: svg is not null));
        if (svg is not null)
            SvgPicture.Write(svg, layouts.Select(ListPicture.From));
        if (machine.Json)
        {
            Documents.Print(new ListDocument(
                [.. layouts.Select(layout => layout.Value?.ToEntry()
                    ?? new GpuLayoutEntry(layout.Gpu.Index, null, null, null, null, null, null, ErrorEntry.FromOptional(layout.Error)))],
                ErrorEntry.FromOptional(Readings.FirstError(layouts))));
        }
        else if (svg != "-")
        {
            LayoutView.Show([.. layouts.Select(layout => layout.Value).OfType<Layout>()]);
        }

        return Readings.Finish(layouts, layout => layout.Notice);
    }
}
