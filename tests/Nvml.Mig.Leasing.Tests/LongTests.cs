namespace Nvml.Mig.Leasing.Tests;

/// <summary>The one switch for tests that can go through more cases than a run before each commit has time for.</summary>
internal static class LongTests
{
    public static bool Wanted { get; } = Environment.GetEnvironmentVariable("NVMIG_LONG_TESTS") == "1";

    /// <summary>The number of cases.</summary>
    public static int Cases(int brief, int full) => Wanted ? full : brief;
}
