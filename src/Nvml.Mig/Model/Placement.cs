using System.Globalization;

namespace Nvml.Mig;

/// <summary>
/// Where an instance sits: <paramref name="Size"/> slices from <paramref name="Start"/> on. For GPU instances these are memory
/// slices of the GPU, for compute instances compute slices of their GPU instance.
/// </summary>
/// <param name="Start">The first slice, from 0.</param>
/// <param name="Size">How many slices.</param>
public readonly record struct Placement(int Start, int Size)
{
    /// <summary>The slice after the last.</summary>
    public int End => Start + Size;

    /// <summary>Whether the two have a slice in common.</summary>
    /// <param name="other">The other placement, in the same GPU or GPU instance.</param>
    public bool Overlaps(Placement other) => Start < other.End && other.Start < End;

    /// <summary>The form that nvidia-smi prints: <c>4:4</c> is start 4, size 4.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Start}:{Size}");
}
