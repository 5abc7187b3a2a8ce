using System.Globalization;
using System.Text;

namespace Nvml.Mig.Cli.Output;

/// <summary>An instance, or a free slice, in two short lines.</summary>
internal sealed record PictureBox(int Start, int Size, string Top, string Bottom)
{
    public static PictureBox From(GpuInstanceEntry instance) =>
        new(
            instance.Placement.Start,
            instance.Placement.Size,
            instance.Profile,
            instance.Id is { } id ? string.Create(CultureInfo.InvariantCulture, $"GI {id}") : "new");
}

/// <summary>A GPU's memory slices as a row of boxes: one for each instance, as wide as its slices, and one for each free slice.</summary>
internal static class Picture
{
    public static string Draw(int sliceCount, IEnumerable<PictureBox> instances, int width)
    {
        List<PictureBox> boxes = Divide(sliceCount, instances);

        // A box of n slices is as wide as n cells and the n - 1 borders between them. A cell has room for the longest text and two digits,
        // if the terminal is wide enough; text that does not fit is cut.
        int needed = Math.Max(2, boxes.Max(box => (Math.Max(box.Top.Length, box.Bottom.Length) + 2) / box.Size));
        int cell = Math.Clamp(((width - 1) / sliceCount) - 1, 2, needed);
        int Width(int size) => (size * cell) + size - 1;
        string Line(char left, char between, char right, Func<int, int, string> content) =>
            left + string.Join(between, boxes.Select((box, i) => content(i, Width(box.Size)))) + right;

        StringBuilder picture = new();
        picture.Append(' ');
        for (int slice = 0; slice < sliceCount; slice++)
            picture.Append(Center(slice.ToString(CultureInfo.InvariantCulture), cell)).Append(' ');
        picture.AppendLine(" memory slice".Length <= width - picture.Length ? " memory slice" : "");
        picture.AppendLine(Line('┌', '┬', '┐', (_, box) => new string('─', box)));
        picture.AppendLine(Line('│', '│', '│', (i, box) => Center(boxes[i].Top, box)));
        picture.AppendLine(Line('│', '│', '│', (i, box) => Center(boxes[i].Bottom, box)));
        picture.AppendLine(Line('└', '┴', '┘', (_, box) => new string('─', box)));
        return picture.ToString();
    }

    /// <summary>The boxes from left to right: the instances, and each free slice between them.</summary>
    public static List<PictureBox> Divide(int sliceCount, IEnumerable<PictureBox> instances)
    {
        ILookup<int, PictureBox> byStart = instances.ToLookup(box => box.Start);
        List<PictureBox> boxes = [];
        for (int slice = 0; slice < sliceCount; slice += boxes[^1].Size)
            boxes.Add(byStart[slice].FirstOrDefault() ?? new PictureBox(slice, 1, "", "free"));
        return boxes;
    }

    private static string Center(string text, int width)
    {
        if (text.Length > width)
            text = text[..(width - 1)] + "…";
        int left = (width - text.Length) / 2;
        return new string(' ', left) + text + new string(' ', width - text.Length - left);
    }
}
