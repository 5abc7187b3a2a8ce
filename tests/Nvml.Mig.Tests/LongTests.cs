namespace Nvml.Mig.Tests;

/// <summary>The one switch for tests with more cases than a run before each commit has time for.</summary>
internal static class LongTests
{
    /// <summary>The environment variable that asks for the long form: 1.</summary>
    public const string Variable = "NVMIG_LONG_TESTS";

    /// <summary>The reason to skip a test that has a long form only; null if it runs.</summary>
    public static string? WhyNot => Wanted ? null : $"It takes long: set {Variable}=1.";

    public static bool Wanted { get; } = Environment.GetEnvironmentVariable(Variable) == "1";
}

/// <summary>A test that has a long form only.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LongFactAttribute : FactAttribute
{
    public LongFactAttribute() => Skip = LongTests.WhyNot;
}

/// <summary>The same with several cases.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class LongTheoryAttribute : TheoryAttribute
{
    public LongTheoryAttribute() => Skip = LongTests.WhyNot;
}
