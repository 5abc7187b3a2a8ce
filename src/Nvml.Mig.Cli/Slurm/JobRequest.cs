using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>The request of a job: a number of compute slices, or what its comment says.</summary>
/// <param name="Requests">The instances.</param>
/// <param name="Fraction">The part that is wanted of the one instance; null: all of it.</param>
internal sealed record JobRequest(IReadOnlyList<InstanceRequestEntry> Requests, FractionRequest? Fraction)
{
    /// <summary>Begins a request in a comment, which ends with a semicolon or with the comment.</summary>
    public const string Mark = "nvmig:";

    private const string Example = "Write for instance 'nvmig: 3g.40gb', 'nvmig: 1g.10gb*2' or 'nvmig: memory=12GiB'";

    /// <summary>Reads it; null if the job asks for nothing.</summary>
    /// <exception cref="JobRefusedException">It makes no sense.</exception>
    public static JobRequest? Read(int slices, string comment)
    {
        if (Find(comment) is { } text)
            return Parse(text);
        return slices > 0 ? new JobRequest([new InstanceRequestEntry { ComputeSlices = slices }], null) : null;
    }

    /// <summary>The request in a comment, which can have other text of the user's or of the site's before it and behind it.</summary>
    private static string? Find(string comment)
    {
        string[] found =
            [.. comment.Split(';', StringSplitOptions.TrimEntries).Where(part => part.StartsWith(Mark, StringComparison.Ordinal))];
        return found.Length switch
        {
            0 => null,
            1 => found[0][Mark.Length..],
            _ => throw new JobRefusedException($"The comment has '{Mark}' more than once."),
        };
    }

    private static JobRequest Parse(string text)
    {
        List<InstanceRequestEntry> profiles = [];
        InstanceRequestEntry need = new();
        FractionRequest fraction = new();
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (string word in text.Split([' ', '\t', '\r', '\n', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            int equals = word.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
                profiles.Add(ParseProfile(word));
            else if (names.Add(word[..equals]))
                Set(need, fraction, word[..equals], word[(equals + 1)..]);
            else
                throw Wrong($"'{word[..equals]}' is there twice");
        }

        return Combine(profiles, need, fraction);
    }

    private static void Set(InstanceRequestEntry need, FractionRequest fraction, string name, string value)
    {
        switch (name)
        {
            case "memory":
                need.MemoryMiB = ClaimArguments.TryParseMemory(value) ?? throw Wrong($"'{value}' is no size");
                break;
            case "compute":
                need.ComputeSlices = ParseCount(value);
                break;
            case "count":
                need.Count = ParseCount(value);
                break;
            case "fraction":
                fraction.Share = decimal.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal share)
                    ? share
                    : throw Wrong($"'{value}' is no part");
                break;
            case "mode":
                fraction.Mode = ClaimArguments.TryParseMode(value) ?? throw Wrong($"'{value}' is no mode: fair, strict or equal");
                break;
            default:
                throw Wrong($"'{name}' is not known");
        }
    }

    private static JobRequest Combine(List<InstanceRequestEntry> profiles, InstanceRequestEntry need, FractionRequest fraction)
    {
        bool isNeed = need.MemoryMiB > 0 || need.ComputeSlices > 0;
        bool isFraction = fraction.Share is not null;
        if (fraction.Mode != FractionMode.Fair && !isFraction)
            throw Wrong("a mode is of a fraction");
        if (isFraction && (isNeed || profiles.Count > 1 || profiles.Exists(p => p.Count > 1)))
            throw Wrong("a fraction is of one instance, by its profile");
        if (profiles.Count > 0 && isNeed)
            throw Wrong("instances are named or needed, not both");
        if (profiles.Count == 0 && !isNeed && !isFraction)
            throw Wrong("it asks for nothing");
        if (!isNeed && need.Count > 1)
            throw Wrong("a count is with memory or compute; behind a profile it is '*2'");
        if (isFraction && profiles.Count == 0)
            profiles.Add(new InstanceRequestEntry { Profile = GrantedFraction.WholeGpu });
        return new JobRequest(isNeed ? [need] : profiles, isFraction ? fraction : null);
    }

    private static InstanceRequestEntry ParseProfile(string word)
    {
        string[] parts = word.Split('*');
        if (parts.Length > 2 || (parts[0] != GrantedFraction.WholeGpu && !ProfileName.TryParse(parts[0], out _)))
            throw Wrong($"'{word}' is no profile");
        return new InstanceRequestEntry { Profile = parts[0], Count = parts.Length == 2 ? ParseCount(parts[1]) : 1 };
    }

    private static int ParseCount(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count > 0
            ? count
            : throw Wrong($"'{text}' is no number");

    private static JobRefusedException Wrong(string what) => new($"The comment's request is not understood: {what}. {Example}.");
}
