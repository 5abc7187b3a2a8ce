using System.Globalization;
using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// The only place that writes to standard output and standard error. Control characters in names, messages and files are printed as
/// <c>\u001b</c>, so that no process name and no layout file reaches a terminal as code.
/// </summary>
internal static class Terminal
{
    /// <summary>The width of the widest table with its frame.</summary>
    private const int FramedWidth = 104;

    private static readonly Lazy<IAnsiConsole> Output = new(() => CreateConsole(Console.Out, Console.IsOutputRedirected));

    private static ForgivingWriter? _out;
    private static bool _hasBegunChange;

    /// <summary>How many columns a line has. A pipe has no width, and what it carries is not folded at 80 columns.</summary>
    public static int Width => Output.Value.Profile.Width;

    /// <summary>Whether a person sees what is written to standard error while the command runs.</summary>
    public static bool IsErrorLive { get; } = !Console.IsErrorRedirected;

    /// <summary>
    /// From now on a stream that is closed or full ends nothing: a terminal that is gone must not end a change in the middle. To be called
    /// before any file is opened.
    /// </summary>
    public static void Initialize()
    {
        StandardStreams.Examine();
        _out = new ForgivingWriter(StandardStreams.HasOutput, () => Console.Out);
        Console.SetOut(_out);
        Console.SetError(new ForgivingWriter(StandardStreams.HasError, () => Console.Error));
    }

    /// <summary>From now on the exit code is the change's, also if its report cannot be written.</summary>
    public static void BeginChange() => _hasBegunChange = true;

    /// <summary>The exit code of a command, which fails if it has only printed something, and that could not be written.</summary>
    public static int Finish(int exitCode)
    {
        if (_out?.Failure is not { } failure)
            return exitCode;
        WriteError($"Cannot write: {failure.GetBaseException().Message}");
        return exitCode != ExitCodes.Success || _hasBegunChange ? exitCode : ExitCodes.For(NvmlReturnCode.OperatingSystem);
    }

    /// <summary>Whether standard output is a terminal that can be drawn on again and again.</summary>
    public static bool CanDraw => !Console.IsOutputRedirected && Output.Value.Profile.Capabilities.Ansi;

    /// <summary>How many lines the terminal has.</summary>
    public static int Height => Output.Value.Profile.Height;

    /// <summary>Whether nobody can read what is written to standard output any more.</summary>
    public static bool IsOutputGone => _out?.Failure is not null;

    /// <summary>Begins to draw on a screen of its own. What was there before is there again at its end.</summary>
    public static void OpenScreen() => Console.Out.Write("\u001b[?1049h\u001b[?25l");

    /// <summary>Draws the lines in place of those before.</summary>
    public static void DrawScreen(IEnumerable<string> lines) =>
        Console.Out.Write($"\u001b[H{string.Join("\n", lines.Select(line => $"{Escape(line)}\u001b[K"))}\u001b[J");

    /// <summary>Ends the drawing.</summary>
    public static void CloseScreen() => Console.Out.Write("\u001b[?25h\u001b[?1049l");

    /// <summary>How many columns a text takes: some characters take two.</summary>
    public static int CountColumns(string text) => new Segment(text).CellCount();

    public static void WriteLine(string text = "") => Console.Out.WriteLine(Escape(text));

    /// <summary>Writes text of several lines: a document, a file, a picture.</summary>
    public static void WriteLines(string text) => Console.Out.Write(Escape(text, keepLines: true));

    /// <summary>Writes a line that begins with a word in a color.</summary>
    public static void WriteLine(string color, string word, string text)
    {
        Output.Value.Write(new Text(Escape(word), Style.Parse(color)));
        WriteLine(text);
    }

    /// <summary>
    /// Writes a table: framed where there is room, close together on a terminal of 80 columns. Cells are never folded, since a UUID in
    /// two halves cannot be copied.
    /// </summary>
    public static void Write(TextTable table)
    {
        IAnsiConsole console = Output.Value;
        int width = console.Profile.Width;
        bool framed = width >= FramedWidth;
        Table drawn = new Table().Border(framed ? TableBorder.Rounded : TableBorder.None);
        foreach (string name in table.Columns)
        {
            bool right = name.StartsWith('>');
            TableColumn column = new TableColumn(new Text(Escape(right ? name[1..] : name)))
            {
                Alignment = right ? Justify.Right : Justify.Left,
                NoWrap = true,
            };
            drawn.AddColumn(framed ? column : column.Padding(0, 0, 2, 0));
        }

        foreach (string[] row in table.Rows)
            drawn.AddRow(row.Select(cell => new Text(Escape(cell))));
        console.Profile.Width = Math.Max(width, FramedWidth); // The terminal folds longer lines, and copies them in one piece.
        console.Write(drawn);
        console.Profile.Width = width;
    }

    /// <summary>Writes an error or a warning, one line on standard error.</summary>
    public static void WriteError(string message) => WriteProgress($"nvmig: {message}");

    /// <summary>Writes a line on standard error that says what is being done.</summary>
    public static void WriteProgress(string text) => Console.Error.WriteLine(Escape(text));

    /// <summary>Asks on the terminal, and returns the answer.</summary>
    public static string? Ask(string question)
    {
        Console.Error.Write(Escape(question));
        return Console.In.ReadLine();
    }

    /// <summary>Shows what is being done in one line on standard error, which the next replaces.</summary>
    public static void ShowStatus(Action<Action<string>> work) =>
        CreateConsole(Console.Error, !IsErrorLive).Status().Start("Starting", status => work(step => status.Status(ToMarkup(step))));

    /// <summary>Shows progress bars on standard error. The work gets the means to begin one.</summary>
    public static T ShowBars<T>(Func<Func<string, ProgressBar>, T> work, params ProgressColumn[] more) =>
        CreateConsole(Console.Error, !IsErrorLive)
            .Progress()
            .Columns([new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new ElapsedTimeColumn(), .. more])
            .Start(view => work(text => new ProgressBar(view.AddTask(ToMarkup(text)))));

    /// <summary>Makes the cursor visible again, which a live line hides.</summary>
    public static void ShowCursor() => Console.Error.Write("\u001b[?25h");

    /// <summary>The text as Spectre.Console takes it, without anything that is code to it or to the terminal.</summary>
    public static string ToMarkup(string text) => Markup.Escape(Escape(text));

    /// <summary>
    /// Replaces what a terminal obeys or hides (control and format characters, line separators) by its number as in JSON, where that is
    /// the same text.
    /// </summary>
    public static string Escape(string text, bool keepLines = false)
    {
        StringBuilder? escaped = null;
        for (int i = 0; i < text.Length; i++)
        {
            // Some format characters take two chars.
            int length = char.IsSurrogatePair(text, i) ? 2 : 1;
            if (!IsCode(i))
            {
                escaped?.Append(text, i, length);
            }
            else
            {
                escaped ??= new StringBuilder(text, 0, i, text.Length + 16);
                foreach (char c in text.AsSpan(i, length))
                    escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            }

            i += length - 1;
        }

        return escaped?.ToString() ?? text;

        bool IsCode(int at) => !(keepLines && text[at] == '\n') && CharUnicodeInfo.GetUnicodeCategory(text, at)
            is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
    }

    private static IAnsiConsole CreateConsole(TextWriter writer, bool isRedirected)
    {
        string? noColor = Environment.GetEnvironmentVariable("NO_COLOR");
        if (noColor is "")
            Environment.SetEnvironmentVariable("NO_COLOR", null); // Spectre.Console only asks whether it is there.
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = isRedirected ? AnsiSupport.No : AnsiSupport.Detect,
            ColorSystem = noColor is { Length: > 0 } ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
            // The default reads the whole environment for signs of build servers, on which it colors what a pipe carries.
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
            EnvironmentVariables = [],
        });
        if (isRedirected)
            console.Profile.Width = 200;
        return console;
    }

    /// <summary>Remembers the first failure, and writes nothing after it: half a line more helps nobody.</summary>
    private sealed class ForgivingWriter : TextWriter
    {
        private readonly TextWriter? _inner;

        public ForgivingWriter(bool exists, Func<TextWriter> open)
        {
            if (!exists)
            {
                Failure = new IOException("It is closed.");
                return;
            }

            try
            {
                _inner = open();
            }
            catch (IOException e)
            {
                Failure = e;
            }
        }

        public IOException? Failure { get; private set; }

        public override Encoding Encoding => _inner?.Encoding ?? Encoding.UTF8;

        public override void Write(char value) => Write(value.ToString());

        public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

        /// <summary>In one piece, so that the lines of several processes do not mix.</summary>
        public override void WriteLine(string? value) => Write(value + NewLine);

        public override void Write(string? value)
        {
            if (Failure is not null)
                return;
            try
            {
                _inner!.Write(value);
            }
            catch (IOException e)
            {
                Failure = e;
            }
        }
    }
}

/// <summary>Rows of text under columns; ">" before a column's name aligns its numbers to the right.</summary>
internal sealed class TextTable(params string[] columns)
{
    private readonly List<string[]> _rows = [];

    public IReadOnlyList<string> Columns => columns;

    public IReadOnlyList<string[]> Rows => _rows;

    public void Add(params string[] cells) => _rows.Add(cells);
}

/// <summary>A progress bar and the text beside it.</summary>
internal sealed class ProgressBar(ProgressTask task)
{
    public void Show(string text) => task.Description = Terminal.ToMarkup(text);

    public void MoveTo(double value, double end)
    {
        task.MaxValue = end;
        task.Value = value;
    }

    public void Stop() => task.StopTask();
}
