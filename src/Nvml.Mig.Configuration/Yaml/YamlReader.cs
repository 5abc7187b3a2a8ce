using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Nvml.Mig.Configuration.Yaml;

/// <summary>
/// Reads a YAML document, with aliases and merge keys (<c>&lt;&lt;</c>), from the parser's events: they have the place of everything, and
/// need no reflection.
/// </summary>
internal sealed class YamlReader
{
    /// <summary>Ten times the depth of any layout file.</summary>
    private const int MaxDepth = 64;

    /// <summary>A few lines of aliases of aliases can stand for more values than memory holds. Layout files need a tenth of this.</summary>
    private const int MaxValuesWithAliases = 100_000;

    private readonly Parser _parser;
    private readonly string _text;
    private readonly string _file;
    private readonly Dictionary<AnchorName, (YamlNode Node, int Values)> _anchors = [];
    private int _values;
    private FileLocation _end;

    private YamlReader(string text, string file)
    {
        _parser = new Parser(new StringReader(text));
        _text = text;
        _file = file;
        _end = new FileLocation(file, 1, 1);
    }

    /// <summary>Reads the one document of a file.</summary>
    /// <exception cref="LayoutFileException">
    /// The text is not YAML, has more than one document, or uses a part of YAML that no layout file needs.
    /// </exception>
    public static YamlNode Read(string text, string file)
    {
        // Some editors write a byte order mark before the text.
        text = text.TrimStart('\uFEFF');
        CheckPrintable(text, file);
        YamlReader reader = new(text, file);
        reader.Next<StreamStart>();
        ParsingEvent first = reader.Next<ParsingEvent>();
        if (first is not DocumentStart)
            return new YamlScalar(reader.Locate(first), "", IsPlain: true);
        YamlNode root = reader.ReadNode(reader.Next<ParsingEvent>(), 0);
        reader.Next<DocumentEnd>();
        ParsingEvent after = reader.Next<ParsingEvent>();
        return after is StreamEnd
            ? root
            : throw new LayoutFileException(reader.Locate(after), "The file has a second document here: a layout file is one.");
    }

    /// <summary>Refuses the characters outside YAML's character set (specification 5.1), as mig-parted's YAML library does.</summary>
    private static void CheckPrintable(string text, string file)
    {
        (int line, int column) = (1, 1);
        foreach (Rune rune in text.EnumerateRunes()) // half a surrogate pair comes as U+FFFD
        {
            int value = rune.Value;
            if (value is not ('\t' or '\n' or '\r' or (>= 0x20 and <= 0x7E) or 0x85 or (>= 0xA0 and <= 0xFFFD) or >= 0x10000))
            {
                throw new LayoutFileException(
                    new FileLocation(file, line, column), $"There is a control character here, U+{value:X4}: a layout file is text.");
            }

            (line, column) = value == '\n' ? (line + 1, 1) : (line, column + 1);
        }
    }

    private YamlNode ReadNode(ParsingEvent at, int depth)
    {
        if (depth > MaxDepth)
            throw new LayoutFileException(Locate(at), "This is nested too deep for a layout file.");
        if (at is AnchorAlias alias)
        {
            if (!_anchors.TryGetValue(alias.Value, out (YamlNode Node, int Values) known))
                throw new LayoutFileException(Locate(at), $"There is no anchor '&{alias.Value}' before this.");
            _values += known.Values;
            return _values <= MaxValuesWithAliases
                ? known.Node
                : throw new LayoutFileException(
                    Locate(at), $"With the values of '*{alias.Value}', this is more than a layout file needs: {_values} values.");
        }

        if (at is not NodeEvent node)
            throw new LayoutFileException(Locate(at), "A value was expected here.");
        if (!node.Tag.IsEmpty && !node.Tag.IsNonSpecific)
            throw new LayoutFileException(Locate(at), $"The tag '{node.Tag}' is not for layout files: write the plain value.");
        int before = _values++;
        YamlNode read = node switch
        {
            Scalar scalar => new YamlScalar(Locate(at), scalar.Value, scalar.Style == ScalarStyle.Plain),
            SequenceStart => ReadList(at, depth),
            _ => ReadMap(at, depth),
        };
        if (!node.Anchor.IsEmpty)
            _anchors[node.Anchor] = (read, _values - before);
        return read;
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
            if (ReadNode(at, depth + 1) is not YamlScalar key)
                throw new LayoutFileException(Locate(at), "A key must be a word, not a list or a mapping.");
            YamlNode value = ReadNode(Next<ParsingEvent>(), depth + 1);
            if (key is { Text: "<<", IsPlain: true })
                merged.AddRange(ToMerge(value));
            else if (!entries.TryAdd(key.Text, new(key, value)))
                throw new LayoutFileException(Locate(at), $"'{key.Text}' is here twice: it is at {entries[key.Text].Key.Location} already.");
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
            FileLocation at = isTab && FindTab() is { } line ? new(_file, line, 1) : Locate(e.Start);
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
        int number = 0;
        foreach (ReadOnlySpan<char> line in _text.AsSpan().EnumerateLines())
        {
            if (++number >= _end.Line && line.TrimStart(' ') is ['\t', ..])
                return number;
        }

        return null;
    }

    private FileLocation Locate(ParsingEvent at) => Locate(at.Start);

    private FileLocation Locate(Mark mark) => new(_file, (int)mark.Line, (int)mark.Column);
}
