using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing;

/// <summary>
/// A way to divide a device into fractions, and what it enforces. What it cannot enforce is refused, never silently weaker.
/// </summary>
/// <param name="Backend">The way.</param>
/// <param name="Enforces">What it enforces, as a sentence.</param>
/// <param name="Problem">Why this machine cannot do it; null if nothing stands in its way.</param>
public sealed record SharingOffer(SharingBackend Backend, string Enforces, string? Problem)
{
    /// <summary>What this machine has.</summary>
    /// <param name="gpus">Its GPUs.</param>
    public static IReadOnlyList<SharingOffer> Find(IReadOnlyList<GpuDevice> gpus)
    {
        ArgumentNullException.ThrowIfNull(gpus);
        string? none = gpus.Count == 0 ? "There is no GPU." : null;
        return
        [
            new SharingOffer(
                SharingBackend.Mps,
                "A part of the multiprocessors and of the memory is the most that each process gets. A fault of one ends all of a device.",
                none ?? WhyNoMps(gpus)),
            new SharingOffer(
                SharingBackend.ComputeInstances,
                "The multiprocessors of a GPU instance are divided. Its memory is shared, and nothing caps it.",
                none ?? (gpus.Any(HasMig) ? null : "MIG is enabled on no GPU.")),
        ];
    }

    /// <summary>By GPU, since another program can be in the way on one of them.</summary>
    private static string? WhyNoMps(IReadOnlyList<GpuDevice> gpus)
    {
        try
        {
            new MpsControl(new MpsOptions()).Find();
        }
        catch (MpsException e)
        {
            return e.Message;
        }

        IReadOnlyList<HostProcess> others = new MpsSupervisor(new MpsOptions()).FindOthers();
        string[] problems = [.. gpus.Select(gpu => (gpu.Index, Why: WhyNot(gpu, others))).Where(g => g.Why is not null)
            .Select(g => string.Create(CultureInfo.InvariantCulture, $"GPU {g.Index}: {g.Why}"))];
        return problems.Length > 0 ? string.Join(' ', problems) : null;
    }

    private static string? WhyNot(GpuDevice gpu, IReadOnlyList<HostProcess> others)
    {
        try
        {
            return SharingDaemons.WhyNot(gpu, others);
        }
        catch (NvmlException e)
        {
            return e.Message;
        }
    }

    private static bool HasMig(GpuDevice gpu)
    {
        try
        {
            return gpu.TryGetMigMode() is { Current: true };
        }
        catch (NvmlException)
        {
            return false;
        }
    }
}
