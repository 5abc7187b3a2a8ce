using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>Times as people write them: <c>90</c> (seconds), <c>10m</c>, <c>1h30m</c>, <c>2d</c>.</summary>
internal static partial class Durations
{
    /// <summary>An option whose value is a duration.</summary>
    public static Option<TimeSpan?> Option(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "TIME",
        CustomParser = Parse,
    };

    public static TimeSpan? Parse(ArgumentResult argument)
    {
        string text = argument.Tokens is [{ Value: var value }] ? value : "";
        if (TryParse(text) is { } time)
            return time;
        argument.AddError($"'{text}' is no time: write seconds, or 90s, 10m, 1h30m, 2d.");
        return null;
    }

    public static TimeSpan? TryParse(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int seconds))
            return TimeSpan.FromSeconds(seconds);
        Match match = Pattern().Match(text);
        if (!match.Success || text.Length == 0)
            return null;
        int Part(string name) => match.Groups[name] is { Success: true, Value: var number }
            ? int.Parse(number, NumberStyles.None, CultureInfo.InvariantCulture)
            : 0;
        return new TimeSpan(Part("d"), Part("h"), Part("m"), Part("s"));
    }

    /// <summary>The shortest form: <c>1h 30m</c>, <c>12s</c>.</summary>
    public static string Format(TimeSpan time)
    {
        (int Number, string Unit)[] parts = [(time.Days, "d"), (time.Hours, "h"), (time.Minutes, "m"), (time.Seconds, "s")];
        string text = string.Join(
            ' ', parts.Where(p => p.Number > 0).Take(2).Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Number}{p.Unit}")));
        return text.Length == 0 ? "0s" : text;
    }

    [GeneratedRegex(
        @"^((?<d>\d{1,5})d)?((?<h>\d{1,5})h)?((?<m>\d{1,6})m)?((?<s>\d{1,8})s)?$",
        RegexOptions.ExplicitCapture,
        matchTimeoutMilliseconds: 1000)]
    private static partial Regex Pattern();
}
