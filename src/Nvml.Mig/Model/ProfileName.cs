using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Nvml.Mig;

/// <summary>
/// The parts of a profile name: <c>3g.20gb</c> and <c>1g.5gb+me</c> name GPU instances, <c>1c.3g.20gb</c> a compute instance with one of
/// the three slices of a GPU instance. A pure value: no GPU need have such a profile.
/// </summary>
/// <remarks>
/// <para>
/// Names are read with or without <c>MIG</c> before them, in any case, with attributes in any order: <c>+me</c> with media engines,
/// <c>+me.all</c> with all of them, <c>-me</c> with none, <c>+gfx</c> with graphics. Unknown attributes are kept. Equal names are equal
/// values, and are formatted alike: in lower case, attributes in alphabetical order.
/// </para>
/// <para>
/// A compute instance that takes all of its GPU instance has the name of the GPU instance: <c>3c.3g.20gb</c> is <c>3g.20gb</c>.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// ProfileName name = ProfileName.Parse("MIG 1G.24GB+me");
/// Console.WriteLine($"{name}: {name.GpuSliceCount} slice, {name.MemoryGB} GB"); // 1g.24gb+me: 1 slice, 24 GB
/// </code>
/// </example>
public readonly record struct ProfileName : ISpanParsable<ProfileName>
{
    /// <summary>
    /// The sizes that drivers name differently: 3g.39gb and 3g.40gb (an A100 with driver 535 and 495), 7g.79gb and 7g.80gb (an A100 with
    /// driver 510 and others). No GPU has both of a pair. Other sizes one gigabyte apart are those of different GPUs: 47 (H100 NVL) and 48
    /// (GH200), 71 (H200) and 72 (GH200 144G), 95 (early GB200) and 96 (RTX PRO 6000).
    /// </summary>
    private static readonly (int Smaller, int Larger)[] RoundedSizes = [(39, 40), (79, 80)];

    private static readonly SearchValues<char> AttributeCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789.");

    private readonly string? _attributes;

    private ProfileName(int computeSliceCount, int gpuSliceCount, int memoryGB, string attributes)
    {
        ComputeSliceCount = computeSliceCount;
        GpuSliceCount = gpuSliceCount;
        MemoryGB = memoryGB;
        _attributes = attributes;
    }

    /// <summary>Compute slices of the compute instance, the "1" of 1c.3g.20gb; without a "c", those of the GPU instance.</summary>
    public int ComputeSliceCount { get; }

    /// <summary>Compute slices of the GPU instance, the "3" of 3g.20gb and of 1c.3g.20gb.</summary>
    public int GpuSliceCount { get; }

    /// <summary>
    /// Memory of the GPU instance, the "20" of 3g.20gb: its share of the GPU as the driver rounds it, more than it has (1g.18gb has
    /// 16 GiB). 0 on integrated GPUs.
    /// </summary>
    public int MemoryGB { get; }

    /// <summary>
    /// The attributes with their signs, such as <c>+me</c> and <c>-me</c>, in alphabetical order of what follows the sign.
    /// </summary>
    public IReadOnlyList<string> Attributes => Split(_attributes ?? "");

    /// <summary>Whether it names a compute instance that takes only a part of its GPU instance: 1c.3g.20gb, not 3g.20gb.</summary>
    public bool IsPart => ComputeSliceCount != GpuSliceCount;

    /// <summary>The name of the GPU instance: 3g.20gb of 1c.3g.20gb, and of itself.</summary>
    public ProfileName GpuInstance => new(GpuSliceCount, GpuSliceCount, MemoryGB, _attributes ?? "");

    /// <summary>Reads a name.</summary>
    /// <param name="s">The name, such as <c>3g.20gb</c>; space around it does not matter.</param>
    /// <exception cref="FormatException">The text is not a profile name; the message says why, with an example of one.</exception>
    /// <exception cref="ArgumentNullException"><paramref name="s"/> is null.</exception>
    public static ProfileName Parse(string s)
    {
        ArgumentNullException.ThrowIfNull(s);
        return Parse(s.AsSpan());
    }

    /// <inheritdoc cref="Parse(string)"/>
    public static ProfileName Parse(ReadOnlySpan<char> s) =>
        Read(s, out ProfileName name) is { } problem
            ? throw new FormatException($"'{s}' is not a profile name: {problem}. One looks like 3g.20gb, 1g.5gb+me or 1c.3g.20gb.")
            : name;

    /// <summary>Reads a name; false if the text is not one.</summary>
    /// <param name="s">The name, such as <c>3g.20gb</c>; space around it does not matter.</param>
    /// <param name="result">The name.</param>
    public static bool TryParse([NotNullWhen(true)] string? s, out ProfileName result) => TryParse(s.AsSpan(), out result);

    /// <inheritdoc cref="TryParse(string?, out ProfileName)"/>
    public static bool TryParse(ReadOnlySpan<char> s, out ProfileName result) => Read(s, out result) is null;

    /// <summary>
    /// The candidates with this name. Drivers round 40 and 80 GB differently, so that the same profile is 7g.79gb with one and 7g.80gb
    /// with another: if no candidate has the very name, one with the other rounding matches.
    /// </summary>
    /// <typeparam name="T">The type of the candidates, profiles most often.</typeparam>
    /// <param name="candidates">The candidates. One without a name of the form of a profile name never matches.</param>
    /// <param name="nameOf">The name of a candidate.</param>
    /// <returns>
    /// The matches, in their order. Several are ambiguous, as where two compute instance profiles share a name: do not take the first,
    /// ask for the id.
    /// </returns>
    public IReadOnlyList<T> FindIn<T>(IEnumerable<T> candidates, Func<T, string> nameOf)
    {
        ArgumentNullException.ThrowIfNull(candidates);
        ArgumentNullException.ThrowIfNull(nameOf);
        List<T> same = [];
        List<T> near = [];
        foreach (T candidate in candidates)
        {
            if (!TryParse(nameOf(candidate), out ProfileName name))
                continue;
            if (name == this)
                same.Add(candidate);
            else if (name.ComputeSliceCount == ComputeSliceCount && name._attributes == _attributes && IsAsLargeAs(name))
                near.Add(candidate);
        }

        return same.Count > 0 ? same : near;
    }

    /// <summary>
    /// Whether it can name a compute instance in a GPU instance: it has the same slices and memory, and the same attributes or none.
    /// Drivers leave the attributes out: the compute instance of a 1g.5gb+me is a 1g.5gb.
    /// </summary>
    /// <param name="gpuInstance">The name of the GPU instance's profile.</param>
    public bool IsIn(ProfileName gpuInstance) =>
        IsAsLargeAs(gpuInstance) && (string.IsNullOrEmpty(_attributes) || _attributes == gpuInstance._attributes);

    /// <summary>The name without "MIG", such as <c>3g.20gb</c> or <c>1c.3g.20gb</c>.</summary>
    public override string ToString()
    {
        string part = IsPart ? string.Create(CultureInfo.InvariantCulture, $"{ComputeSliceCount}c.") : "";
        return string.Create(CultureInfo.InvariantCulture, $"{part}{GpuSliceCount}g.{MemoryGB}gb{_attributes}");
    }

    static ProfileName IParsable<ProfileName>.Parse(string s, IFormatProvider? provider) => Parse(s);

    static bool IParsable<ProfileName>.TryParse([NotNullWhen(true)] string? s, IFormatProvider? provider, out ProfileName result) =>
        TryParse(s, out result);

    static ProfileName ISpanParsable<ProfileName>.Parse(ReadOnlySpan<char> s, IFormatProvider? provider) => Parse(s);

    static bool ISpanParsable<ProfileName>.TryParse(ReadOnlySpan<char> s, IFormatProvider? provider, out ProfileName result) =>
        TryParse(s, out result);

    private bool IsAsLargeAs(ProfileName other) =>
        GpuSliceCount == other.GpuSliceCount
        && (MemoryGB == other.MemoryGB
            || Array.IndexOf(RoundedSizes, (Math.Min(MemoryGB, other.MemoryGB), Math.Max(MemoryGB, other.MemoryGB))) >= 0);

    /// <summary>Null, or the reason why the text is not a name.</summary>
    private static string? Read(ReadOnlySpan<char> text, out ProfileName name)
    {
        name = default;
        ReadOnlySpan<char> rest = text.Trim();
        if (rest.StartsWith("MIG", StringComparison.OrdinalIgnoreCase) && rest.Length > 3 && char.IsWhiteSpace(rest[3]))
            rest = rest[4..].TrimStart();
        if (rest.IsEmpty)
            return "it is empty";
        if (!TakeNumber(ref rest, out int slices) || slices == 0)
            return "it does not begin with a number of slices";
        int computeSlices = slices;
        if (Take(ref rest, "c.") && (!TakeNumber(ref rest, out slices) || slices == 0))
            return "after 'c.', the number of slices of the GPU instance is missing";
        if (computeSlices > slices)
            return "the compute instance has more slices than its GPU instance";
        if (!Take(ref rest, "g."))
            return "after the number of slices, 'g.' is missing";
        if (!TakeNumber(ref rest, out int memory))
            return "after 'g.', the number of gigabytes is missing";
        if (!Take(ref rest, "gb"))
            return "after the number of gigabytes, 'gb' is missing";
        if (ReadAttributes(rest, out string attributes) is { } problem)
            return problem;
        name = new ProfileName(computeSlices, slices, memory, attributes);
        return null;
    }

    private static string? ReadAttributes(ReadOnlySpan<char> text, out string canonical)
    {
        canonical = "";
        if (text.IsEmpty)
            return null;
        if (text[0] is not ('+' or '-'))
            return "after 'gb', only attributes can follow, as +me or -me";
        string[] attributes = Split(text.ToString().ToLowerInvariant());
        foreach (string attribute in attributes)
        {
            ReadOnlySpan<char> word = attribute.AsSpan(1);
            if (word.IsEmpty || !char.IsAsciiLetter(word[0]) || !char.IsAsciiLetterOrDigit(word[^1])
                || word.ContainsAnyExcept(AttributeCharacters))
            {
                return "an attribute is a sign and a word, as +me, -me or +me.all";
            }
        }

        Array.Sort(attributes, (a, b) => string.CompareOrdinal(a, 1, b, 1, int.MaxValue));
        for (int i = 1; i < attributes.Length; i++)
        {
            if (attributes[i].AsSpan(1).SequenceEqual(attributes[i - 1].AsSpan(1)))
                return "an attribute stands in it twice";
        }

        canonical = string.Concat(attributes);
        return null;
    }

    /// <summary>"+gfx-me" as "+gfx" and "-me".</summary>
    private static string[] Split(string attributes)
    {
        List<string> parts = [];
        for (int start = 0; start < attributes.Length;)
        {
            int length = attributes.AsSpan(start + 1).IndexOfAny('+', '-') + 1;
            if (length == 0)
                length = attributes.Length - start;
            parts.Add(attributes.Substring(start, length));
            start += length;
        }

        return [.. parts];
    }

    /// <summary>A number as the driver writes it: no leading zeros, and no more digits than an int holds.</summary>
    private static bool TakeNumber(ref ReadOnlySpan<char> text, out int number)
    {
        int length = text.IndexOfAnyExceptInRange('0', '9');
        if (length < 0)
            length = text.Length;
        number = 0;
        if (length is 0 or > 9 || (length > 1 && text[0] == '0'))
            return false;
        number = int.Parse(text[..length], NumberStyles.None, CultureInfo.InvariantCulture);
        text = text[length..];
        return true;
    }

    private static bool Take(ref ReadOnlySpan<char> text, string what)
    {
        if (!text.StartsWith(what, StringComparison.OrdinalIgnoreCase))
            return false;
        text = text[what.Length..];
        return true;
    }
}
