namespace Nvml.Mig.Benchmarks.Running;

internal static class Categories
{
    /// <summary>What <c>--quick</c> runs.</summary>
    public const string Quick = "quick";
}
