using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing;

/// <summary>
/// A way to divide a device into fractions, and what it enforces. What it cannot enforce is refused, never silently weaker.
/// </summary>
/// <param name="Backend">The way.</param>
/// <param name="Enforces">What it enforces, as a sentence.</param>
/// <param name="Problem">Why this machine cannot do it; null if nothing stands in its way. Whether a GPU has MIG is not asked here.</param>
public sealed record SharingOffer(SharingBackend Backend, string Enforces, string? Problem)
{
    /// <summary>What this machine has.</summary>
    public static IReadOnlyList<SharingOffer> Find()
    {
        string? problem = null;
        try
        {
            new MpsControl(new MpsOptions()).Find();
        }
        catch (MpsException e)
        {
            problem = e.Message;
        }

        return
        [
            new SharingOffer(
                SharingBackend.Mps,
                "A part of the multiprocessors and of the memory is the most that each process gets. A fault of one ends all of a device.",
                problem),
            new SharingOffer(
                SharingBackend.ComputeInstances,
                "The multiprocessors of a GPU instance are divided. Its memory is shared, and nothing caps it.",
                Problem: null),
        ];
    }
}
