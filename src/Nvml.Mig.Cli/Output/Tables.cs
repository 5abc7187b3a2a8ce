using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// How tables look: framed where there is room, close together on a terminal of 80 columns. Cells are never folded: a UUID in two
/// halves is of no use to anybody.
/// </summary>
internal static class Tables
{
    /// <summary>The width that the widest table needs with its frame.</summary>
    private const int FramedWidth = 104;

    /// <summary>A table with these columns; ">" before a name aligns its numbers to the right.</summary>
    public static Table Create(IAnsiConsole console, params string[] columns)
    {
        bool framed = console.Profile.Width >= FramedWidth;
        Table table = new Table().Border(framed ? TableBorder.Rounded : TableBorder.None);
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>');
            TableColumn added = new TableColumn(right ? column[1..] : column) { Alignment = right ? Justify.Right : Justify.Left }.NoWrap();
            table.AddColumn(framed ? added : added.Padding(0, 0, 2, 0));
        }

        return table;
    }

    /// <summary>Prints a table; a line that is longer than the terminal is wide is left to the terminal, which can copy it in one piece.</summary>
    public static void Print(IAnsiConsole console, Table table)
    {
        int width = console.Profile.Width;
        console.Profile.Width = Math.Max(width, FramedWidth);
        console.Write(table);
        console.Profile.Width = width;
    }
}
