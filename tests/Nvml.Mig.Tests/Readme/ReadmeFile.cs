namespace Nvml.Mig.Tests.Readme;

/// <summary>The documents: the README files of the repository and of the packages, and the folder docs.</summary>
internal static class ReadmeFile
{
    public static string Main { get; } = Repository.File("README.md");

    private static readonly string[] Docs = [.. Directory.GetFiles(Repository.File("docs"), "*.md").Order(StringComparer.Ordinal)];

    /// <summary>The files whose programs and commands are run.</summary>
    public static IReadOnlyList<string> All { get; } =
        [Main,
            .. Docs,
            .. Directory.GetDirectories(Repository.File("src")).Select(project => Path.Combine(project, "README.md")).Where(File.Exists)
            .Order(StringComparer.Ordinal)];

    /// <summary>The programs in the folder samples, by the names of their projects.</summary>
    public static IReadOnlyDictionary<string, string> Samples { get; } = Directory.GetDirectories(Repository.File("samples"))
        .ToDictionary(folder => Path.GetFileName(folder), folder => File.ReadAllText(Path.Combine(folder, "Program.cs")).TrimEnd());

    /// <summary>The files of the repository that link to each other.</summary>
    public static IReadOnlyList<string> Linked { get; } = [Main, Repository.File("CONTRIBUTING.md"), .. Docs];

    /// <summary>The lines outside of blocks.</summary>
    public static IEnumerable<string> Prose(string file)
    {
        bool isBlock = false;
        foreach (string line in File.ReadLines(file))
        {
            if (line.StartsWith("```", StringComparison.Ordinal))
                isBlock = !isBlock;
            else if (!isBlock)
                yield return line;
        }
    }

    /// <summary>The blocks of a language, each with the text block that follows it at once, if one does.</summary>
    public static List<(string Code, string? Output)> Blocks(string file, string language)
    {
        List<(string Language, string Text, bool Adjacent)> all = [];
        string? open = null;
        List<string> text = [];
        bool adjacent = false;
        foreach (string line in File.ReadAllLines(file))
        {
            if (open is null && line.StartsWith("```", StringComparison.Ordinal))
            {
                open = line[3..];
                text.Clear();
            }
            else if (open is not null && line == "```")
            {
                all.Add((open, string.Join('\n', text), adjacent));
                open = null;
                adjacent = true;
            }
            else if (open is not null)
            {
                text.Add(line);
            }
            else if (line.Length > 0)
            {
                adjacent = false;
            }
        }

        return [.. all.Select((block, i) => (block.Language, block.Text, Next: all.ElementAtOrDefault(i + 1)))
            .Where(block => block.Language == language)
            .Select(block => (block.Text, block.Next is { Language: "text", Adjacent: true } ? block.Next.Text : null))];
    }

    /// <summary>The lines of an output, without trailing spaces.</summary>
    public static IEnumerable<string> Lines(string text) => text.TrimEnd().Split('\n').Select(line => line.TrimEnd());
}
