using System.CommandLine.Parsing;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>Messages about options and commands that do not exist, with the one that is close, if there is one.</summary>
internal static class Typos
{
    /// <summary>For arguments that cannot begin with a dash. System.CommandLine takes an unknown option for an argument.</summary>
    public static void RefuseOptions(SymbolResult result) => RefuseOptions(result, "-");

    /// <summary>For layouts: <c>-1g.5gb</c> removes an instance, and nothing begins with two dashes.</summary>
    public static void RefuseLongOptions(SymbolResult result) => RefuseOptions(result, "--");

    /// <summary>Says that a word is no option, command or argument.</summary>
    public static string Describe(string word, CommandResult command) =>
        word.StartsWith('-') ? $"There is no option '{word}'{Suggest(word.Split('=', ':')[0], OptionsOf(command))}"
        : command.Command.Subcommands.Count > 0
            ? $"There is no command '{word}'{Suggest(word, command.Command.Subcommands.Select(c => c.Name))}"
        : $"'{word}' is one argument too many.";

    private static void RefuseOptions(SymbolResult result, string prefix)
    {
        if (result.Tokens.FirstOrDefault(token => token.Value.StartsWith(prefix, StringComparison.Ordinal)) is { } option)
            result.AddError(Describe(option.Value, (CommandResult)result.Parent!));
    }

    private static IEnumerable<string> OptionsOf(CommandResult command) =>
        [
            .. command.Command.Options.SelectMany(option => (string[])[option.Name, .. option.Aliases]),
            .. command.Parent is CommandResult parent ? OptionsOf(parent) : [],
        ];

    private static string Suggest(string word, IEnumerable<string> names)
    {
        string closest = names.MinBy(name => Distance(word, name))!;
        return Distance(word, closest) <= Math.Min(2, word.Length / 3) ? $": did you mean '{closest}'?" : ".";
    }

    /// <summary>The number of letters to add, remove or replace to get from one word to the other.</summary>
    private static int Distance(string a, string b)
    {
        int[] row = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 0; i < a.Length; i++)
        {
            int corner = row[0]++;
            for (int j = 0; j < b.Length; j++)
                (corner, row[j + 1]) = (row[j + 1], Math.Min(Math.Min(row[j], row[j + 1]) + 1, corner + (a[i] == b[j] ? 0 : 1)));
        }

        return row[^1];
    }
}
