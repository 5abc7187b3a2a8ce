using System.Globalization;
using System.Text.RegularExpressions;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// The names of leases that leasing makes itself. No claim can have one: its lease would take the other's place in the book.
/// </summary>
internal static partial class LeaseNames
{
    /// <summary>A device that is leased in fractions.</summary>
    public static string OfDevice(long generation) => string.Create(CultureInfo.InvariantCulture, $"shared-{generation}");

    /// <summary>The place that a lease was moved away from, until its processes have gone.</summary>
    public static string OfPlaceLeft(string lease, long generation) =>
        string.Create(CultureInfo.InvariantCulture, $"{lease} (moved at {generation})");

    /// <summary>Refuses such a name.</summary>
    /// <exception cref="LeaseException">It is one.</exception>
    public static void Check(string name)
    {
        if (Own().IsMatch(name))
            throw new LeaseException(LeaseError.Invalid, $"Leasing itself gives names like {name}: choose another.");
    }

    [GeneratedRegex(@"^shared-\d+$| \(moved at \d+\)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Own();
}
