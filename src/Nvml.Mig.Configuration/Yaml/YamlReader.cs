using System.Globalization;
using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Nvml.Mig.Configuration.Yaml;

/// <summary>
/// Reads YAML documents, with aliases and merge keys (<c>&lt;&lt;</c>), from the parser's events: they have the place of everything, and
/// need no reflection.
/// </summary>
internal sealed class YamlReader
{
    /// <summary>Ten times the depth of any layout file.</summary>
    private const int MaxDepth = 64;

    /// <summary>A few lines of aliases of aliases can stand for more values than memory holds. Layout files need a tenth of this.</summary>
    private const int MaxValuesWithAliases = 100_000;

    private readonly Parser _parser;
    private readonly string[] _lines;
    private readonly FileLocation _origin;
    private readonly Dictionary<AnchorName, (YamlNode Node, int Values)> _anchors = [];
    private FileLocation? _firstLineBreak;
    private int _values;
    private FileLocation _end;

    private YamlReader(string text, FileLocation origin)
    {
        _parser = new Parser(new StringReader(text));
        _lines = text.Split('\n');
        _end = _origin = origin;
    }

    /// <summary>Reads text, whose first character is at a place of a file.</summary>
    /// <exception cref="LayoutFileException">The text is not YAML, or uses a part of YAML that no layout file needs.</exception>
    public static YamlText Read(string text, FileLocation origin)
    {
        // Some editors write a byte order mark before the text.
        YamlReader reader = new(text.TrimStart('\uFEFF'), origin);
        reader.CheckPrintable();
        reader.Next<StreamStart>();
        List<(FileLocation Start, YamlNode Root)> documents = [];
        ParsingEvent at = reader.Next<ParsingEvent>();
        for (; at is DocumentStart; at = reader.Next<ParsingEvent>())
        {
            reader._anchors.Clear();
            documents.Add((reader.Locate(at), reader.ReadNode(reader.Next<ParsingEvent>(), 0)));
            reader.Next<DocumentEnd>();
        }

        if (documents.Count == 0)
            documents.Add((reader._end, new YamlScalar(reader.Locate(at), "", IsPlain: true)));
        return new YamlText(documents, reader._firstLineBreak);
    }

    /// <summary>Whether a terminal shows a character and does not obey it; format characters can reverse the text around them.</summary>
    public static bool IsPrintable(Rune rune) => Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    /// <summary>Refuses the characters outside YAML's character set (specification 5.1), as mig-parted's YAML library does.</summary>
    private void CheckPrintable()
    {
        for (int line = 0; line < _lines.Length; line++)
        {
            int column = 1;
            foreach (Rune rune in _lines[line].EnumerateRunes()) // half a surrogate pair comes as U+FFFD
            {
                if (rune.Value is not ('\t' or '\r' or (>= 0x20 and <= 0x7E) or 0x85 or (>= 0xA0 and <= 0xFFFD) or >= 0x10000))
                    throw ControlCharacter(Locate(line + 1, column), rune);
                column++;
            }
        }
    }

    /// <summary>
    /// Refuses control characters in a value, which an escape puts there: values go into messages, and so to a terminal that obeys them.
    /// Line breaks and tabs pass here: see <see cref="YamlText.FirstLineBreak"/>.
    /// </summary>
    private void CheckValue(string text, FileLocation location)
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value is '\n' or '\r' or '\t')
                _firstLineBreak ??= location;
            else if (!IsPrintable(rune))
                throw ControlCharacter(location, rune);
        }
    }

    private static LayoutFileException ControlCharacter(FileLocation location, Rune rune) =>
        new(location, $"There is a control character here, U+{rune.Value:X4}: a layout file is text.");

    private YamlNode ReadNode(ParsingEvent at, int depth)
    {
        if (depth > MaxDepth)
            throw new LayoutFileException(Locate(at), "This is nested too deep for a layout file.");
        if (at is AnchorAlias alias)
        {
            if (!_anchors.TryGetValue(alias.Value, out (YamlNode Node, int Values) known))
                throw new LayoutFileException(Locate(at), "There is no anchor for this alias before it.");
            _values += known.Values;
            return _values <= MaxValuesWithAliases
                ? known.Node
                : throw new LayoutFileException(
                    Locate(at), $"With the values of this alias, the file has more than a layout file needs: {_values} values.");
        }

        if (at is not NodeEvent node)
            throw new LayoutFileException(Locate(at), "A value was expected here.");
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
            throw new LayoutFileException(Locate(at), "A tag is not for layout files: write the plain value.");
        int before = _values++;
        YamlNode read = node switch
        {
            Scalar scalar => ReadScalar(scalar),
            SequenceStart => ReadList(at, depth),
            _ => ReadMap(at, depth),
        };
        if (!node.Anchor.IsEmpty)
            _anchors[node.Anchor] = (read, _values - before);
        return read;
    }

    private YamlScalar ReadScalar(Scalar scalar)
    {
        FileLocation location = Locate(scalar);
        CheckValue(scalar.Value, location);
        return new YamlScalar(location, scalar.Value, scalar.Style == ScalarStyle.Plain)
        {
            Content = scalar.Style == ScalarStyle.Literal ? FindContent(scalar) : null,
        };
    }

    /// <summary>Where the text of a literal block (<c>|</c>) begins: on the line below, after the indentation.</summary>
    private FileLocation? FindContent(Scalar block)
    {
        string[] content = block.Value.Split('\n');
        int first = Array.FindIndex(content, line => line.Trim().Length > 0);
        if (first < 0)
            return null;
        int line = (int)block.Start.Line + 1;
        string written = _lines.ElementAtOrDefault(line - 1 + first)?.TrimEnd('\r') ?? "";
        return written.EndsWith(content[first], StringComparison.Ordinal) ? Locate(line, written.Length - content[first].Length + 1) : null;
    }

    private YamlList ReadList(ParsingEvent start, int depth)
    {
        List<YamlNode> items = [];
        for (ParsingEvent at = Next<ParsingEvent>(); at is not SequenceEnd; at = Next<ParsingEvent>())
            items.Add(ReadNode(at, depth + 1));
        return new YamlList(Locate(start), items);
    }

    private YamlMap ReadMap(ParsingEvent start, int depth)
    {
        Dictionary<string, KeyValuePair<YamlScalar, YamlNode>> entries = new(StringComparer.Ordinal);
        List<YamlMap> merged = [];
        for (ParsingEvent at = Next<ParsingEvent>(); at is not MappingEnd; at = Next<ParsingEvent>())
        {
            if (ReadNode(at, depth + 1) is not YamlScalar key || key.Text.AsSpan().ContainsAny('\n', '\r', '\t'))
                throw new LayoutFileException(Locate(at), "A key must be a word on one line.");
            YamlNode value = ReadNode(Next<ParsingEvent>(), depth + 1);
            if (key is { Text: "<<", IsPlain: true })
                merged.AddRange(ToMerge(value));
            else if (!entries.TryAdd(key.Text, new(key, value)))
                throw new LayoutFileException(
                    Locate(at), $"'{key.Text}' is here twice: it is at {entries[key.Text].Key.Location} already.");
        }

        // A written key wins over a merged one, and the first merged one over the next.
        foreach (KeyValuePair<YamlScalar, YamlNode> entry in merged.SelectMany(map => map.Entries))
            entries.TryAdd(entry.Key.Text, entry);
        return new YamlMap(Locate(start), [.. entries.Values]);
    }

    private static IEnumerable<YamlMap> ToMerge(YamlNode value) =>
        value switch
        {
            YamlMap map => [map],
            YamlList list => list.Items.Select(item => item as YamlMap ?? throw NotMergeable(item)),
            _ => throw NotMergeable(value),
        };

    private static LayoutFileException NotMergeable(YamlNode node) => node.Error($"'<<' merges mappings, and this is {node.Describe()}.");

    private T Next<T>()
        where T : ParsingEvent
    {
        try
        {
            if (_parser.MoveNext() && _parser.Current is T current)
            {
                _end = Locate(current);
                return current;
            }
        }
        catch (YamlException e)
        {
            // Where a tab is the fault, YamlDotNet names the text before it or the beginning of the file.
            bool isTab = e.Message.Contains(" tab ", StringComparison.Ordinal);
            FileLocation at = isTab && FindTab() is { } line ? Locate(line, 1) : Locate(e.Start);
            throw new LayoutFileException(at, $"This is not YAML: {e.Message.TrimEnd('.')}.", e);
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentException or FormatException or OverflowException
            or IndexOutOfRangeException)
        {
            // YamlDotNet throws these too for text that is not YAML, without a place.
            throw new LayoutFileException(_end, "After this, the text is not YAML: a bracket, a quote or the indentation is wrong.", e);
        }

        throw new LayoutFileException(_end, "After this, the text is not YAML.");
    }

    /// <summary>The first line after the last event that is indented with a tab.</summary>
    private int? FindTab()
    {
        int after = _end.Line - _origin.Line;
        int found = Array.FindIndex(_lines, after, line => line.TrimStart(' ') is ['\t', ..]);
        return found < 0 ? null : found + 1;
    }

    private FileLocation Locate(ParsingEvent at) => Locate(at.Start);

    private FileLocation Locate(Mark mark) => Locate((int)mark.Line, (int)mark.Column);

    private FileLocation Locate(int line, int column) =>
        _origin with { Line = _origin.Line + line - 1, Column = _origin.Column + column - 1 };
}
