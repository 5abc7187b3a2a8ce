using System.Globalization;

namespace Nvml.Mig.Cli;

/// <summary>One GPU instance that was asked for: a profile by name or id, and perhaps where it starts.</summary>
internal sealed record InstanceRequest(string Profile, int? Start)
{
    /// <summary>
    /// Reads what <c>nvidia-smi mig -cgi</c> takes, and counts: <c>9,19:0</c>, <c>3g.20gb,1g.5gb*3</c>.
    /// </summary>
    /// <exception cref="UsageException">It is not of that form.</exception>
    public static IReadOnlyList<InstanceRequest> ParseMany(IEnumerable<string> arguments)
    {
        List<InstanceRequest> requests = [];
        foreach (string item in arguments.SelectMany(argument => argument.Split(',', StringSplitOptions.TrimEntries)))
        {
            string rest = item;
            int count = 1;
            int? start = null;
            if (rest.Split('*') is [string before, string number])
            {
                rest = before.TrimEnd();
                count = ParseNumber(number, 1, item);
            }

            if (rest.Split(':') is [string profile, string place])
            {
                rest = profile.TrimEnd();
                start = ParseNumber(place, 0, item);
            }

            if (rest.Length == 0 || rest.AsSpan().ContainsAny('*', ':'))
                throw Unreadable(item);
            if (start is not null && count > 1)
                throw new UsageException($"'{item}' asks for {count} instances in one place.");
            requests.AddRange(Enumerable.Repeat(new InstanceRequest(rest, start), count));
        }

        return requests;
    }

    private static int ParseNumber(string text, int least, string item) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number >= least && number <= 64
            ? number
            : throw Unreadable(item);

    private static UsageException Unreadable(string item) =>
        new($"'{item}' is not an instance: write PROFILE, PROFILE:START or PROFILE*COUNT, with a profile's name or id, as in 3g.20gb,1g.5gb*3 or 9,19:0.");
}
