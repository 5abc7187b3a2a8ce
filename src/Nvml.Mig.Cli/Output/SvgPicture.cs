using System.Globalization;
using System.Text;
using System.Xml;
using System.Xml.Linq;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// The picture of <see cref="Picture"/> as an SVG file of its own, with the compute slices inside. Every number in it is in pixels.
/// </summary>
internal static class SvgPicture
{
    /// <summary>The same for every GPU, whatever its number of slices.</summary>
    private const double RowWidth = 800;

    private const double Left = 24;
    private const double Right = 112;
    private const double BoxHeight = 92;
    private const double Inset = 6;

    /// <summary>The average width of a letter, in parts of its height. Text that does not fit is written smaller.</summary>
    private const double LetterWidth = 0.6;

    /// <summary>Without variables, which simple renderers do not support.</summary>
    private const string Style = """

        text { font-family: system-ui, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
        .page { fill: #ffffff; }
        .heading { font-weight: 600; }
        .note, .axis { fill: #59636e; }
        .box { fill: #ddf4ff; stroke: #0969da; stroke-width: 1.5; }
        .goes .box { fill: #ffebe9; stroke: #cf222e; stroke-dasharray: 6 4; }
        .comes .box { fill: #dafbe1; stroke: #1a7f37; }
        .free .box { fill: none; stroke: #afb8c1; stroke-dasharray: 3 4; }
        .unusable .box { fill: url(#hatch); stroke: #afb8c1; }
        .free text, .unusable text { fill: #59636e; }
        .hatch { stroke: #d1d9e0; stroke-width: 2; }
        .slice { fill: none; stroke: #59636e; stroke-dasharray: 2 3; }
        .tick { stroke: #59636e; }
        .compute { fill: #0969da; fill-opacity: 0.25; stroke: #0969da; }
        .compute.goes { fill: #cf222e; stroke: #cf222e; stroke-dasharray: 6 4; }
        .compute.comes { fill: #1a7f37; stroke: #1a7f37; }
        @media (prefers-color-scheme: dark) {
          text { fill: #e6edf3; }
          .page { fill: #0d1117; }
          .note, .axis, .free text, .unusable text { fill: #9198a1; }
          .box { fill: #121d2f; stroke: #4493f8; }
          .goes .box { fill: #25171c; stroke: #f85149; }
          .comes .box { fill: #12261e; stroke: #3fb950; }
          .free .box, .unusable .box { stroke: #3d444d; }
          .hatch { stroke: #2a313c; }
          .slice, .tick { stroke: #9198a1; }
          .compute { fill: #4493f8; stroke: #4493f8; }
          .compute.goes { fill: #f85149; stroke: #f85149; }
          .compute.comes { fill: #3fb950; stroke: #3fb950; }
        }

        """;

    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    /// <summary>Writes the drawing to a file, or to standard output if that is "-".</summary>
    public static void Write(string path, IEnumerable<SvgGpu> gpus)
    {
        string text = Draw([.. gpus]);
        if (path == "-")
        {
            Terminal.WriteLines(text);
            return;
        }

        try
        {
            File.WriteAllText(path, text);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NvmlException(NvmlReturnCode.OperatingSystem, "open", $"Cannot write the picture: {e.Message}", e);
        }
    }

    public static string Draw(IReadOnlyList<SvgGpu> gpus)
    {
        const double width = Left + RowWidth + Right;
        List<XElement> parts = [];
        double y = 0;
        foreach (SvgGpu gpu in gpus)
        {
            y += 34;
            parts.Add(Text(Left, y, 16, "start", gpu.Heading, "heading", width - (2 * Left)));
            foreach (string line in gpu.Notes.SelectMany(note => Wrap(note, (int)((width - (2 * Left)) / (13 * LetterWidth)))))
                parts.Add(Text(Left, y += 20, 13, "start", line, "note"));
            foreach (SvgRow row in gpu.Rows)
                y = Draw(parts, row, y + 10);
        }

        if (gpus.SelectMany(g => g.Rows).Any(row => row.Title.Length > 0))
            y = DrawLegend(parts, y + 24);
        XElement svg = new(
            Svg + "svg",
            new XAttribute("viewBox", $"0 0 {Number(width)} {Number(y + 20)}"),
            new XAttribute("width", Number(width)),
            new XAttribute("height", Number(y + 20)),
            new XAttribute("role", "img"),
            Title(string.Join("; ", gpus.Select(gpu => gpu.Heading))),
            new XElement(Svg + "style", Style),
            new XElement(Svg + "defs", new XElement(
                Svg + "pattern",
                new XAttribute("id", "hatch"),
                new XAttribute("width", 8),
                new XAttribute("height", 8),
                new XAttribute("patternUnits", "userSpaceOnUse"),
                new XAttribute("patternTransform", "rotate(45)"),
                Line("hatch", 0, 0, 8))),
            Rectangle("page", 0, 0, width, y + 20, radius: 0),
            parts);
        StringBuilder text = new();
        XmlWriterSettings settings = new() { Indent = true, NewLineChars = "\n", OmitXmlDeclaration = true };
        using (XmlWriter writer = XmlWriter.Create(text, settings))
            svg.Save(writer);
        return text.Append('\n').ToString();
    }

    /// <summary>Draws a GPU's slices from y down, and returns where they end.</summary>
    private static double Draw(List<XElement> parts, SvgRow row, double y)
    {
        if (row.Title.Length > 0)
            parts.Add(Text(Left, y += 16, 14, "start", row.Title, "heading"));
        int sliceCount = row.Geometry.MemorySliceCount;
        double slice = RowWidth / Math.Max(1, sliceCount);
        y += 18;
        for (int i = 0; i < sliceCount; i++)
            parts.Add(Text(Left + ((i + 0.5) * slice), y, 12, "middle", i.ToString(CultureInfo.InvariantCulture), "axis"));
        parts.Add(Text(Left + RowWidth + 8, y, 12, "start", "memory slice", "axis"));
        y += 8;
        HashSet<int> usable = FindUsable(row);
        foreach (PictureBox box in Picture.Divide(sliceCount, row.Instances.Select(PictureBox.From)))
        {
            double x = Left + (box.Start * slice);
            double width = box.Size * slice;
            if (row.Instances.FirstOrDefault(i => i.Placement.Start == box.Start) is { } instance)
                parts.Add(DrawInstance(row, instance, box, x, y, width));
            else
                parts.Add(DrawRoom(usable.Contains(box.Start), x, y, width));
        }

        return y + BoxHeight;
    }

    private static XElement DrawInstance(SvgRow row, GpuInstanceEntry instance, PictureBox box, double x, double y, double width)
    {
        int computeSlices = row.Geometry.Profiles.FirstOrDefault(p => p.Profile.Id == instance.ProfileId)?.Profile.SliceCount
            ?? instance.ComputeInstances.Select(c => c.Placement!.Start + c.Placement.Size).DefaultIfEmpty(1).Max();
        string devices = string.Concat(instance.ComputeInstances.Select(c => c.MigUuid).OfType<string>().Select(uuid => $", {uuid}"));
        XElement group = new(
            Svg + "g",
            new XAttribute("class", $"instance {Class(row.Fate(instance, null))}"),
            Title($"{box.Bottom}: {instance.Profile} at {instance.Placement.Start}:{instance.Placement.Size}{devices}"),
            Rectangle("box", x + 2, y, width - 4, BoxHeight, radius: 6),
            Text(x + (width / 2), y + 24, 15, "middle", box.Top, "heading", width - 10),
            Text(x + (width / 2), y + 44, 13, "middle", box.Bottom, null, width - 10));
        double slice = (width - 4 - (2 * Inset)) / computeSlices;
        for (int i = 0; i < computeSlices; i++)
        {
            if (!instance.ComputeInstances.Any(c => c.Placement!.Start <= i && i < c.Placement.Start + c.Placement.Size))
                group.Add(Rectangle("slice", x + 3 + Inset + (i * slice), y + 56, slice - 2, 26, radius: 3));
        }

        foreach (ComputeInstanceEntry compute in instance.ComputeInstances)
        {
            double start = x + 2 + Inset + (compute.Placement!.Start * slice);
            double length = compute.Placement.Size * slice;
            IEnumerable<XElement> ticks = Enumerable.Range(1, compute.Placement.Size - 1)
                .Select(i => Line("tick", start + (i * slice), y + 76, y + 82));
            string device = compute.MigUuid is { } uuid ? $", {uuid}" : "";
            string label = compute.Id is { } id ? string.Create(CultureInfo.InvariantCulture, $"CI {id}") : "new";
            group.Add(new XElement(
                Svg + "g",
                Title($"{label}: {compute.Profile} at {compute.Placement.Start}:{compute.Placement.Size}{device}"),
                Rectangle($"compute {Class(row.Fate(instance, compute))}", start + 1, y + 56, length - 2, 26, radius: 3),
                ticks,
                Text(start + (length / 2), y + 73, 12, "middle", label, null, length - 4)));
        }

        return group;
    }

    private static XElement DrawRoom(bool isUsable, double x, double y, double width)
    {
        string what = isUsable ? "free" : "unusable";
        return new XElement(
            Svg + "g",
            new XAttribute("class", what),
            Title(isUsable ? "free" : "free, but no instance fits here beside the present ones"),
            Rectangle("box", x + 2, y, width - 4, BoxHeight, radius: 6),
            Text(x + (width / 2), y + (BoxHeight / 2) + 4, 13, "middle", what, null, width - 10));
    }

    private static double DrawLegend(List<XElement> parts, double y)
    {
        double x = Left;
        (string, string)[] kinds = [
            ("stays", "stays"), ("goes", "goes"), ("comes", "comes"), ("free", "free"), ("unusable", "free, but unusable")];
        foreach ((string name, string text) in kinds)
        {
            parts.Add(new XElement(Svg + "g", new XAttribute("class", name), Rectangle("box", x, y - 12, 16, 16, radius: 3)));
            parts.Add(Text(x + 24, y, 12, "start", text, "note"));
            x += 104;
        }

        return y;
    }

    /// <summary>The slices that a further instance could occupy while the present ones stay in place; all if that is unknown.</summary>
    private static HashSet<int> FindUsable(SvgRow row)
    {
        try
        {
            // All are marked as in use, so that none is moved to make room.
            GpuSnapshot state = GpuSnapshot.Of(row.Geometry, row.Instances.Select(i => InUse(row.Geometry, i)));
            return [.. row.Geometry.Profiles
                .SelectMany(p => p.Placements.Where(at => Planner.CanPlan(state, Add(p.Profile, at))))
                .SelectMany(place => Enumerable.Range(place.Start, place.Size))];
        }
        catch (PlanningException)
        {
            return [.. Enumerable.Range(0, row.Geometry.MemorySliceCount)];
        }

        static GpuInstanceSnapshot InUse(GpuGeometry geometry, GpuInstanceEntry instance) =>
            new(geometry.GetProfile(Id(instance.ProfileId)).Profile, new Placement(instance.Placement.Start, instance.Placement.Size))
            {
                IsInUse = true,
            };

        static LayoutSpec Add(GpuInstanceProfile profile, Placement place) =>
            new(new InstanceSpec(Id(profile.Id)) { Kind = InstanceSpecKind.Add, Start = place.Start });

        static string Id(int profile) => profile.ToString(CultureInfo.InvariantCulture);
    }

    private static XElement Rectangle(string name, double x, double y, double width, double height, double radius) =>
        new(
            Svg + "rect",
            new XAttribute("class", name),
            new XAttribute("x", Number(x)),
            new XAttribute("y", Number(y)),
            new XAttribute("width", Number(width)),
            new XAttribute("height", Number(height)),
            radius > 0 ? new XAttribute("rx", Number(radius)) : null);

    private static XElement Line(string name, double x, double y, double end) =>
        new(
            Svg + "line",
            new XAttribute("class", name),
            new XAttribute("x1", Number(x)),
            new XAttribute("y1", Number(y)),
            new XAttribute("x2", Number(x)),
            new XAttribute("y2", Number(end)));

    private static XElement Text(
        double x, double y, double size, string anchor, string text, string? name, double room = double.PositiveInfinity) =>
        new(
            Svg + "text",
            name is null ? null : new XAttribute("class", name),
            new XAttribute("x", Number(x)),
            new XAttribute("y", Number(y)),
            new XAttribute("font-size", Number(Math.Min(size, room / (Math.Max(1, text.Length) * LetterWidth)))),
            new XAttribute("text-anchor", anchor),
            Clean(text));

    private static XElement Title(string text) => new(Svg + "title", Clean(text));

    private static IEnumerable<string> Wrap(string text, int width)
    {
        StringBuilder line = new();
        foreach (string word in text.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }

    private static string Class(SvgFate fate) => fate switch
    {
        SvgFate.Goes => "goes",
        SvgFate.Comes => "comes",
        _ => "stays",
    };

    /// <summary>Replaces characters that XML cannot hold, and those that are code to a terminal.</summary>
    private static string Clean(string text) => string.Concat(Terminal.Escape(text).Select(c => XmlConvert.IsXmlChar(c) ? c : '\uFFFD'));

    private static string Number(double value) => Math.Round(value, 2).ToString(CultureInfo.InvariantCulture);
}
