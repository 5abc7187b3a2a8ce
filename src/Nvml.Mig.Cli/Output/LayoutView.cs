using System.Globalization;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>Layouts for people: a table of the instances, and a picture of each GPU's memory slices.</summary>
internal static class LayoutView
{
    public static void Show(IAnsiConsole console, IReadOnlyList<Layout> layouts)
    {
        if (layouts.Any(layout => layout.GpuInstances.Count > 0))
            Tables.Print(console, InstanceTable(console, layouts));
        foreach (Layout layout in layouts)
        {
            console.WriteLine();
            console.WriteLine(layout.Heading);
            if (layout.Mode.Current)
                console.Write(new Text(Picture.Draw(layout.SliceCount, layout.GpuInstances.Select(PictureBox.From), console.Profile.Width)));
        }
    }

    /// <summary>After a change: the GPUs as they are now, as far as they answer.</summary>
    public static void ShowWhatCanBeRead(IAnsiConsole console, IEnumerable<GpuDevice> gpus)
    {
        List<Layout> layouts = [];
        foreach (GpuDevice gpu in gpus)
        {
            try
            {
                layouts.Add(Layout.Read(gpu, gpu.GetMigMode()));
            }
            catch (NvmlException e)
            {
                Failures.Say($"The result cannot be shown: {e.Message}");
            }
        }

        Show(console, layouts);
    }

    private static Table InstanceTable(IAnsiConsole console, IReadOnlyList<Layout> layouts)
    {
        Table table = Tables.Create(console, ">GPU", ">GI", "Profile", "Place", ">CI", "Profile", "MIG device");
        foreach (Layout layout in layouts)
        {
            foreach (GpuInstanceEntry instance in layout.GpuInstances)
            {
                string[] start =
                [
                    Number(layout.Gpu.Index), Number(instance.Id), Markup.Escape(instance.Profile), $"{instance.Placement.Start}:{instance.Placement.Size}",
                ];
                if (instance.ComputeInstances.Count == 0)
                    table.AddRow([.. start, "-", "-", "none: not usable yet"]);
                foreach (ComputeInstanceEntry compute in instance.ComputeInstances)
                    table.AddRow([.. start, Number(compute.Id), Markup.Escape(compute.Profile), compute.MigUuid ?? "-"]);
            }
        }

        return table;
    }

    private static string Number(int? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "-";
}
