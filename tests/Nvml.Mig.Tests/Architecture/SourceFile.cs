using System.Text;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Tests.Architecture;

/// <summary>A C# file of the repository. Reading the source finds constants and enum members too, which the compiler inlines.</summary>
internal sealed partial class SourceFile
{
    /// <summary>Behind these words stands a type or a value. Behind other words stands the name that a line declares.</summary>
    private const string Keywords =
        "abstract|and|as|async|await|case|class|const|default|delegate|else|enum|event|explicit|extern|implicit|"
        + "in|init|interface|internal|is|new|not|or|operator|out|override|params|partial|private|protected|public|readonly|record|ref|"
        + "required|return|scoped|sealed|static|struct|switch|throw|unsafe|using|virtual|when|where|with|yield";

    /// <summary>A type, before the name that a line declares.</summary>
    private const string BehindType = @"(\w\?|[\w>\])]>|\[\]|\b(?!(" + Keywords + @")\b)\w+) ";

    private const RegexOptions Named = RegexOptions.ExplicitCapture;

    private const RegexOptions ByLine = RegexOptions.Multiline | RegexOptions.ExplicitCapture;

    private const int Timeout = 1000;

    private SourceFile(string path)
    {
        Path = path;
        Lines = File.ReadAllLines(Repository.File(path));
        Code = CodeOf(string.Join('\n', Lines));
        Types = [.. TypeDeclaration().Matches(Code).Select(match => match.Groups["name"].Value)];
        Extensions = [.. ExtensionMethod().Matches(Code).Select(match => match.Groups["name"].Value)];
        Namespace = NamespaceDeclaration().Match(Code).Groups["name"].Value;
        Usings = [.. UsingDirective().Matches(Code).Select(match => match.Groups["name"].Value)];
        HashSet<string> members = [.. Member().Matches(Code).Select(match => match.Value)];
        Names = [.. Identifier().Matches(Code).Select(match => match.Value).Where(name => !members.Contains(name)),
            .. TypeOfDeclaration().Matches(Code).Select(match => match.Value)];
        Called = [.. Call().Matches(Code).Select(match => match.Groups["name"].Value)];
    }

    /// <summary>Relative to the repository's root.</summary>
    public string Path { get; }

    public string[] Lines { get; }

    public string Namespace { get; }

    public HashSet<string> Usings { get; }

    /// <summary>The types declared at the top level.</summary>
    public HashSet<string> Types { get; }

    /// <summary>The extension methods declared.</summary>
    public HashSet<string> Extensions { get; }

    /// <summary>Identifiers that can name a type.</summary>
    public HashSet<string> Names { get; }

    /// <summary>Members that are called behind a dot.</summary>
    public HashSet<string> Called { get; }

    /// <summary>The text without comments and without the text of strings. The expressions inside interpolated strings stay.</summary>
    private string Code { get; }

    /// <summary>The files below a folder, without build output.</summary>
    public static IReadOnlyList<SourceFile> Below(string folder) => [.. PathsBelow(folder, "*.cs").Select(path => new SourceFile(path))];

    /// <summary>The paths of files below a folder, without build output.</summary>
    public static IEnumerable<string> PathsBelow(string folder, string pattern) =>
        Directory.GetFiles(Repository.File(folder), pattern, SearchOption.AllDirectories)
            .Select(path => System.IO.Path.GetRelativePath(Repository.File("."), path))
            .Where(path => !BuildOutput().IsMatch(path))
            .Order(StringComparer.Ordinal);

    /// <summary>Removes comments and the text of strings from C#.</summary>
    public static string CodeOf(string text)
    {
        StringBuilder code = new();
        int at = 0;
        Copy(text, ref at, code, inHole: false);
        return code.ToString();
    }

    private static void Copy(string text, ref int at, StringBuilder code, bool inHole)
    {
        int braces = 0;
        while (at < text.Length)
        {
            Match skipped = CommentOrCharacter().Match(text, at);
            Match opened = StringStart().Match(text, at);
            if (skipped.Success)
            {
                at += skipped.Length;
                code.Append(' ');
            }
            else if (opened.Success)
            {
                at += opened.Length;
                SkipString(text, ref at, code, opened);
            }
            else
            {
                braces += text[at] switch { '{' => 1, '}' => -1, _ => 0 };
                if (inHole && braces < 0)
                    return;
                code.Append(text[at++]);
            }
        }
    }

    private static void SkipString(string text, ref int at, StringBuilder code, Match opened)
    {
        string quotes = opened.Groups["quotes"].Value;
        int dollars = opened.Groups["dollars"].Length;
        bool isRaw = quotes.Length >= 3, isVerbatim = opened.Groups["verbatim"].Success;
        string hole = new('{', Math.Max(1, isRaw ? dollars : 1));
        while (at < text.Length && (!IsAt(text, at, quotes) || (isVerbatim && At(text, at + 1) == '"')))
        {
            bool isDoubled = text[at] == '"' || (dollars > 0 && text[at] == '{' && At(text, at + 1) == '{');
            bool isEscaped = !isRaw && ((text[at] == '\\' && !isVerbatim) || isDoubled);
            if (isEscaped)
            {
                at += 2;
            }
            else if (dollars > 0 && IsAt(text, at, hole) && At(text, at + hole.Length) != '{')
            {
                at += hole.Length;
                code.Append(' ');
                Copy(text, ref at, code, inHole: true);
                code.Append(' ');
                at += hole.Length;
            }
            else
            {
                at++;
            }
        }

        at += quotes.Length;
        code.Append("\"\"");
    }

    private static bool IsAt(string text, int index, string part) => string.CompareOrdinal(text, index, part, 0, part.Length) == 0;

    private static char At(string text, int index) => index < text.Length ? text[index] : '\0';

    [GeneratedRegex(@"(^|/)(artifacts|bin|obj|BenchmarkDotNet\.Artifacts)/", Named, Timeout)]
    private static partial Regex BuildOutput();

    [GeneratedRegex(@"\G(//[^\n]*|/\*.*?\*/|'(\\.[^']*|[^'\\\n])')", Named | RegexOptions.Singleline, Timeout)]
    private static partial Regex CommentOrCharacter();

    [GeneratedRegex(@"\G(?<verbatim>@)?(?<dollars>\$*)(?<verbatim>@)?(?<quotes>""{3,}|"")", Named, Timeout)]
    private static partial Regex StringStart();

    [GeneratedRegex(@"^([a-z]+ )*(class|struct|record|record struct|interface|enum|delegate \S+) (?<name>\w+)", ByLine, Timeout)]
    private static partial Regex TypeDeclaration();

    [GeneratedRegex(@"\b(?<name>\w+)(<\w+>)?\(this ", Named, Timeout)]
    private static partial Regex ExtensionMethod();

    [GeneratedRegex(@"^namespace (?<name>[\w.]+);", ByLine, Timeout)]
    private static partial Regex NamespaceDeclaration();

    [GeneratedRegex(@"^(global )?using (static )?(\w+ = )?(?<name>[\w.]+);", ByLine, Timeout)]
    private static partial Regex UsingDirective();

    /// <summary>A property or field that the file declares.</summary>
    [GeneratedRegex(@"(?<=" + BehindType + @")[A-Z]\w*(?=\s*([,;={)]|=>))", Named, Timeout)]
    private static partial Regex Member();

    /// <summary>A type before the name that it declares. It counts where a member has the type's name.</summary>
    [GeneratedRegex(@"(?<![\w.])[A-Z]\w*(?=(\?|\[\])* (?!(" + Keywords + @")\b)[A-Za-z_])", Named, Timeout)]
    private static partial Regex TypeOfDeclaration();

    /// <summary>
    /// A name that can be a type's. Behind a dot it is a member's, unless a namespace is before the dot; before a colon or an assignment it
    /// is a property's.
    /// </summary>
    [GeneratedRegex(
        @"(?<![\w.])(?<!" + BehindType + @")([A-Z]\w*|nvml\w+)\b((?<=case \w+)|(?!(\.\w+)*:(?!:)| =(?![=>])))"
        + @"|(?<=\b(Mig|Model|Interop|Native|Devices|Planning|Applying|Host)\.)\w+",
        Named,
        Timeout)]
    private static partial Regex Identifier();

    [GeneratedRegex(@"\.(?<name>\w+)(<\w+>)?\(", Named, Timeout)]
    private static partial Regex Call();
}
