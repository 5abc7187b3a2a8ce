using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Encodings.Web;

namespace Nvml.Mig.Agent.Page;

/// <summary>Writes HTML. Whatever is put into the braces of an interpolated string is escaped: names come from users.</summary>
internal sealed class HtmlWriter
{
    private readonly StringBuilder _text = new();

    /// <summary>Writes markup, in which every hole is escaped.</summary>
    [SuppressMessage("Performance", "CA1822", Justification = "The markup is written into this one before the call.")]
    public void Add([InterpolatedStringHandlerArgument("")] ref Markup markup) => _ = markup;

    /// <summary>The HTML written so far.</summary>
    public override string ToString() => _text.ToString();

    /// <summary>Literals as they are, holes escaped.</summary>
    [InterpolatedStringHandler]
    public readonly ref struct Markup
    {
        private readonly StringBuilder _text;

        public Markup(int literalLength, int holes, HtmlWriter writer)
        {
            _ = literalLength + holes;
            _text = writer._text;
        }

        public void AppendLiteral(string markup) => _text.Append(markup);

        public void AppendFormatted<T>(T value, string? format = null)
        {
            string? text = value is IFormattable formattable
                ? formattable.ToString(format, CultureInfo.InvariantCulture)
                : value?.ToString();
            _text.Append(HtmlEncoder.Default.Encode(text ?? ""));
        }
    }
}
