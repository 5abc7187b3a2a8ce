namespace Nvml.Mig.Cli.Output;

/// <summary>A table that fits a width: columns marked with "~" are cut where there is no room; ">" aligns to the right.</summary>
internal sealed class FittedTable(params string[] columns)
{
    private const int Gap = 1;

    /// <summary>The least that is left of a column that is cut.</summary>
    private const int Least = 5;

    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add([.. cells.Select(cell => Terminal.Escape(cell))]);

    /// <summary>The lines: the names of the columns, and the rows.</summary>
    public IEnumerable<string> ToLines(int width)
    {
        string[] names = [.. columns.Select(c => c.TrimStart('>', '~'))];
        int[] widths = [.. names.Select((name, i) =>
            _rows.Select(row => Terminal.CountColumns(row[i])).Append(Terminal.CountColumns(name)).Max())];
        Shrink(widths, width - (Gap * (widths.Length - 1)));
        return _rows.Prepend(names).Select(row => string.Join(
            new string(' ', Gap), row.Select((cell, i) => Fit(cell, widths[i], columns[i].StartsWith('>')))).TrimEnd());
    }

    /// <summary>The text in a width: cut, or filled up with spaces.</summary>
    public static string Fit(string text, int width, bool right = false)
    {
        if (Terminal.CountColumns(text) > width)
        {
            while (text.Length > 0 && Terminal.CountColumns(text) > width - 1)
                text = text[..^(text.Length > 1 && char.IsSurrogatePair(text, text.Length - 2) ? 2 : 1)];
            text += "…";
        }

        string fill = new(' ', Math.Max(0, width - Terminal.CountColumns(text)));
        return right ? fill + text : text + fill;
    }

    /// <summary>Takes from the widest column that can be cut, until all fit.</summary>
    private void Shrink(int[] widths, int room)
    {
        int[] cut = [.. Enumerable.Range(0, widths.Length).Where(i => columns[i].StartsWith('~'))];
        while (widths.Sum() > room && cut.Length > 0 && cut.MaxBy(i => widths[i]) is var widest && widths[widest] > Least)
            widths[widest]--;
    }
}
