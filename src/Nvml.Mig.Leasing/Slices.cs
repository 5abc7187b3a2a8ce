using System.Globalization;

namespace Nvml.Mig.Leasing;

/// <summary>
/// An amount of GPU in the two resources that are shared out: compute slices and memory slices, as NVML counts them. A 3g.20gb on an A100
/// is
/// 3 of 7 and 4 of 8.
/// </summary>
/// <param name="Compute">Compute slices.</param>
/// <param name="Memory">Memory slices.</param>
public readonly record struct Slices(long Compute, long Memory)
{
    /// <summary>The sum of both resources, each by itself.</summary>
    public static Slices operator +(Slices left, Slices right) => new(left.Compute + right.Compute, left.Memory + right.Memory);

    /// <summary>The difference of both resources, each by itself.</summary>
    public static Slices operator -(Slices left, Slices right) => new(left.Compute - right.Compute, left.Memory - right.Memory);

    /// <summary>The sum of both resources, each by itself.</summary>
    /// <param name="left">An amount.</param>
    /// <param name="right">Another amount.</param>
    public static Slices Add(Slices left, Slices right) => left + right;

    /// <summary>The difference of both resources, each by itself.</summary>
    /// <param name="left">An amount.</param>
    /// <param name="right">What is taken from it.</param>
    public static Slices Subtract(Slices left, Slices right) => left - right;

    /// <summary>Whether this is no more than another amount in any resource.</summary>
    /// <param name="other">The other amount; null: without end.</param>
    public bool IsWithin(Slices? other) => other is not { } most || (Compute <= most.Compute && Memory <= most.Memory);

    /// <summary><c>3 compute and 4 memory slices</c></summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Compute} compute and {Memory} memory slices");

    internal const int ResourceCount = 2;

    internal long this[int resource] => resource == 0 ? Compute : Memory;
}
