using System.Globalization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.List;

/// <summary>Layouts for people: a table of the instances, and a picture of each GPU's memory slices.</summary>
internal static class LayoutView
{
    public static void Show(IReadOnlyList<Layout> layouts)
    {
        if (layouts.Any(layout => layout.GpuInstances.Count > 0))
            Terminal.Write(InstanceTable(layouts));
        foreach (Layout layout in layouts)
        {
            Terminal.WriteLine();
            Terminal.WriteLine(layout.Heading);
            if (layout.SliceCount is > 0 and { } slices)
                Terminal.WriteLines(Picture.Draw(slices, layout.GpuInstances.Select(PictureBox.From), Terminal.Width));
        }
    }

    /// <summary>After a change: shows the GPUs as they are now, except those that do not answer.</summary>
    public static void ShowReadable(IEnumerable<GpuDevice> gpus) =>
        ShowReadable(gpus.Select(gpu => (Func<Layout>)(() => Layout.Read(gpu, gpu.GetMigMode(), draws: true))));

    /// <inheritdoc cref="ShowReadable(IEnumerable{GpuDevice})"/>
    public static void ShowReadable(IEnumerable<Func<Layout>> reads)
    {
        List<Layout> layouts = [];
        foreach (Func<Layout> read in reads)
        {
            try
            {
                layouts.Add(read());
            }
            catch (NvmlException e)
            {
                Terminal.WriteError($"The result cannot be shown: {e.Message}");
            }
        }

        Show(layouts);
    }

    private static TextTable InstanceTable(IReadOnlyList<Layout> layouts)
    {
        TextTable table = new(">GPU", ">GI", "Profile", "Place", ">CI", "Profile", "MIG device");
        foreach (Layout layout in layouts)
        {
            foreach (GpuInstanceEntry instance in layout.GpuInstances)
            {
                string[] start =
                    [Number(layout.Gpu.Index),
                        Number(instance.Id), instance.Profile, $"{instance.Placement.Start}:{instance.Placement.Size}"];
                if (instance.ComputeInstances.Count == 0)
                    table.Add([.. start, "-", "-", "none: not usable yet"]);
                foreach (ComputeInstanceEntry compute in instance.ComputeInstances)
                    table.Add([.. start, Number(compute.Id), compute.Profile, compute.MigUuid ?? "-"]);
            }
        }

        return table;
    }

    private static string Number(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "-";
}
