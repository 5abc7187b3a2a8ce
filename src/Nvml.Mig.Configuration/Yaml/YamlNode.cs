namespace Nvml.Mig.Configuration.Yaml;

/// <summary>The documents of a YAML text, one at least.</summary>
/// <param name="Documents">The documents, each with the place where it begins.</param>
/// <param name="FirstLineBreak">The first value with a line break or a tab in it, which no value of a layout file has.</param>
internal sealed record YamlText(IReadOnlyList<(FileLocation Start, YamlNode Root)> Documents, FileLocation? FirstLineBreak);

/// <summary>A node of a YAML document, with its place. Aliases are resolved: the same node can be in several places.</summary>
internal abstract record YamlNode(FileLocation Location)
{
    /// <summary>The node in words, to go after "is": <c>a list</c>, <c>the number 7</c>.</summary>
    public abstract string Describe();

    public LayoutFileException Error(string message, Exception? inner = null) => new(Location, message, inner);
}

/// <summary>A single value. Without quotes, its text decides its type.</summary>
internal sealed record YamlScalar(FileLocation Location, string Text, bool IsPlain) : YamlNode(Location)
{
    /// <summary>Where the text itself begins, if each of its lines is one of the file's: in a literal block.</summary>
    public FileLocation? Content { get; init; }

    /// <summary>YAML 1.1's words, as mig-parted's parser reads them.</summary>
    private static readonly HashSet<string> TrueWords =
        new(["true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"], StringComparer.Ordinal);

    private static readonly HashSet<string> FalseWords =
        new(["false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"], StringComparer.Ordinal);

    public bool IsNull => IsPlain && Text is "" or "~" or "null" or "Null" or "NULL";

    public bool? Boolean => !IsPlain ? null : TrueWords.Contains(Text) ? true : FalseWords.Contains(Text) ? false : null;

    public bool IsNumber =>
        IsPlain && (Text is [>= '0' and <= '9', ..] || Text is ['-' or '+' or '.', >= '0' and <= '9', ..]);

    public override string Describe() =>
        IsNull ? "empty" : Boolean is { } boolean ? boolean ? "true" : "false" : IsNumber ? $"the number {Text}" : $"the text '{Text}'";
}

/// <summary>A list.</summary>
internal sealed record YamlList(FileLocation Location, IReadOnlyList<YamlNode> Items) : YamlNode(Location)
{
    public override string Describe() => Items.Count == 0 ? "an empty list" : "a list";
}

/// <summary>A mapping. Each key is there once.</summary>
internal sealed record YamlMap(FileLocation Location, IReadOnlyList<KeyValuePair<YamlScalar, YamlNode>> Entries) : YamlNode(Location)
{
    public YamlNode? Find(string key) => Entries.FirstOrDefault(entry => entry.Key.Text == key).Value;

    /// <summary>The value of a required key.</summary>
    /// <exception cref="LayoutFileException">The key is missing.</exception>
    public YamlNode Get(string key, string owner, string example) =>
        Find(key) ?? throw Error($"'{key}' is missing: {owner} has it, as in '{key}: {example}'.");

    /// <summary>Checks that there are no other keys.</summary>
    /// <exception cref="LayoutFileException">There is another key.</exception>
    public void CheckKeys(string owner, params ReadOnlySpan<string> known)
    {
        foreach ((YamlScalar key, _) in Entries)
        {
            if (!known.Contains(key.Text))
                throw key.Error($"'{key.Text}' is not a key of {owner}, which has {string.Join(", ", known.ToArray())}.");
        }
    }

    public override string Describe() => Entries.Count == 0 ? "an empty mapping" : "a mapping";
}
