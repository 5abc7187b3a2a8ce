using System.Globalization;
using System.Text.RegularExpressions;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Nvml.Mig.Configuration.Yaml;

/// <summary>Writes a YAML document. Text that some version of YAML could read as something else is in quotes.</summary>
internal sealed partial class YamlWriter
{
    /// <summary>Words that YAML 1.1 or 1.2 does not read as text; text that begins with a digit or a sign is another case.</summary>
    private static readonly HashSet<string> Words =
        new(["y", "n", "yes", "no", "on", "off", "true", "false", "null"], StringComparer.OrdinalIgnoreCase);

    private readonly Emitter _emitter;

    /// <summary>Lines are not folded: some readers cannot join them.</summary>
    private YamlWriter(TextWriter text) => _emitter = new Emitter(text, new EmitterSettings().WithBestWidth(int.MaxValue));

    public static string Write(Action<YamlWriter> root)
    {
        using StringWriter text = new(CultureInfo.InvariantCulture) { NewLine = "\n" };
        YamlWriter writer = new(text);
        writer._emitter.Emit(new StreamStart());
        writer._emitter.Emit(new DocumentStart(null, null, isImplicit: true));
        writer.Map(() => root(writer));
        writer._emitter.Emit(new DocumentEnd(isImplicit: true));
        writer._emitter.Emit(new StreamEnd());
        return text.ToString();
    }

    public void Map(Action content)
    {
        _emitter.Emit(new MappingStart(AnchorName.Empty, TagName.Empty, isImplicit: true, MappingStyle.Block));
        content();
        _emitter.Emit(new MappingEnd());
    }

    public void List<T>(IEnumerable<T> items, Action<T> write, bool inOneLine = false)
    {
        SequenceStyle style = inOneLine ? SequenceStyle.Flow : SequenceStyle.Block;
        _emitter.Emit(new SequenceStart(AnchorName.Empty, TagName.Empty, isImplicit: true, style));
        foreach (T item in items)
            write(item);
        _emitter.Emit(new SequenceEnd());
    }

    /// <summary>A key, a number, or a word that is known to be safe.</summary>
    public void Plain(string value) => Scalar(value, ScalarStyle.Plain);

    public void Text(string value) =>
        Scalar(value, Safe().IsMatch(value) && !Words.Contains(value) ? ScalarStyle.Plain : ScalarStyle.DoubleQuoted);

    public void Quoted(string value) => Scalar(value, ScalarStyle.DoubleQuoted);

    private void Scalar(string value, ScalarStyle style) =>
        _emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, value, style, isPlainImplicit: true, isQuotedImplicit: true));

    [GeneratedRegex(@"^[a-z_][a-z0-9_.+-]*\z", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Safe();
}
