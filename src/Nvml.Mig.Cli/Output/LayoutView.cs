using System.Globalization;
using System.Text;
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
            console.WriteLine($"GPU {layout.Gpu.Index}  {layout.Gpu.Name}  {layout.Gpu.PciBusId}  MIG {layout.Mode}");
            if (layout.Mode.Current)
                console.Write(new Text(Picture(layout, console.Profile.Width)));
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

    /// <summary>One box for each instance and each free slice, as wide as it has slices; with profile and GPU instance id.</summary>
    private static string Picture(Layout layout, int width)
    {
        List<(int Start, int Size, string Top, string Bottom)> boxes = [];
        for (int slice = 0; slice < layout.SliceCount;)
        {
            GpuInstanceEntry? instance = layout.GpuInstances.FirstOrDefault(i => i.Placement.Start == slice);
            boxes.Add(instance is null
                ? (slice, 1, "", "free")
                : (slice, instance.Placement.Size, instance.Profile, $"GI {instance.Id}"));
            slice += boxes[^1].Size;
        }

        // A box of n slices is n cells and the n - 1 borders between them wide. Cells are as wide as the longest text needs, as two
        // digits need, and as the terminal allows; what does not fit then is cut.
        int needed = Math.Max(2, boxes.Max(box => (Math.Max(box.Top.Length, box.Bottom.Length) + 2 - (box.Size - 1) + box.Size - 1) / box.Size));
        int cell = Math.Clamp(((width - 1) / layout.SliceCount) - 1, 2, needed);
        int Width(int size) => (size * cell) + size - 1;
        string Line(char left, char between, char right, Func<int, int, string> content) =>
            left + string.Join(between, boxes.Select((box, i) => content(i, Width(box.Size)))) + right;

        StringBuilder picture = new();
        picture.Append(' ');
        for (int slice = 0; slice < layout.SliceCount; slice++)
            picture.Append(Center(Number(slice), cell)).Append(' ');
        picture.AppendLine(" memory slice".Length <= width - picture.Length ? " memory slice" : "");
        picture.AppendLine(Line('┌', '┬', '┐', (_, box) => new string('─', box)));
        picture.AppendLine(Line('│', '│', '│', (i, box) => Center(boxes[i].Top, box)));
        picture.AppendLine(Line('│', '│', '│', (i, box) => Center(boxes[i].Bottom, box)));
        picture.AppendLine(Line('└', '┴', '┘', (_, box) => new string('─', box)));
        return picture.ToString();
    }

    private static string Center(string text, int width)
    {
        if (text.Length > width)
            text = text[..(width - 1)] + "…";
        int left = (width - text.Length) / 2;
        return new string(' ', left) + text + new string(' ', width - text.Length - left);
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
