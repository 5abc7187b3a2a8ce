using System.Globalization;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Documents;

/// <summary>What every request must keep to.</summary>
public static class RequestChecks
{
    internal const int MaxName = 128;

    /// <summary>A year: more is meant to be without end.</summary>
    private const double MaxSeconds = 365 * 86_400;

    /// <summary>A name for a lease that was not given one.</summary>
    public static string NewName() => $"lease-{Guid.NewGuid().ToString("N")[..12]}";

    public static TimeSpan? ReadDuration(double? seconds) =>
        seconds is not { } some ? null : some > 0 ? ReadTime(some, "durationSeconds") : throw Wrong("durationSeconds is more than 0.");

    public static TimeSpan ReadTime(double seconds, string member) => seconds is >= 0 and <= MaxSeconds
        ? TimeSpan.FromSeconds(seconds)
        : throw Wrong($"{member} is from 0 to {MaxSeconds.ToString(CultureInfo.InvariantCulture)}.");

    public static void CheckName(string name, string member)
    {
        ArgumentNullException.ThrowIfNull(name);
        // An address with . or .. in its path is another address.
        if (name.Length is 0 or > MaxName || name is "." or ".." || name.Any(c => char.IsControl(c) || c == '/'))
            throw Wrong($"{member} has 1 to {MaxName} characters, without / and control characters, and is not . or ..");
    }

    public static LeaseException Wrong(string message) => new(LeaseError.Invalid, message);
}
