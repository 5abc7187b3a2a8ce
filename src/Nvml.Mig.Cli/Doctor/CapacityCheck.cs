using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>The ways in which capacity of a GPU is lost as it is divided now, each with what to do next.</summary>
internal static class CapacityCheck
{
    public static IEnumerable<(Severity Severity, string Code, string Message)> Of(GpuReport gpu)
    {
        if (gpu.MigCapable == false && IsDivisibleBoard(gpu.Name))
        {
            yield return (
                Severity.Warning,
                "display-mode",
                "The driver reports no MIG mode for this board, which has one in compute mode: if it is in display mode, switch it with "
                    + "NVIDIA's displaymodeselector tool, and reboot.");
        }

        if (gpu is not { Mig.Current: true, GpuInstances: { } instances })
            yield break;
        if (instances.Count == 0 && gpu.Mig.Pending && gpu.Profiles is not { Count: 0 })
        {
            yield return (
                Severity.Warning,
                "no-instances",
                "MIG is enabled and there is no instance: CUDA, slurmd and the Kubernetes device plugin cannot use this GPU. Create "
                    + "instances with 'nvmig apply' or 'nvmig create', or disable MIG with 'nvmig disable'.");
        }

        if (instances.Where(i => i.ComputeInstances.Count == 0).ToArray() is { Length: > 0 } empty)
        {
            yield return (
                Severity.Warning,
                "unusable-instance",
                $"GPU instances without compute instances, which no process can use: {Name(empty)}. 'nvmig apply' with the layout creates "
                    + "compute instances in them, 'nvmig destroy' frees their slices.");
        }

        if (instances.Where(i => i.ComputeInstances.Count > 0 && CountCovered(i) < CountSlices(gpu, i)).ToArray()
            is { Length: > 0 } partly)
        {
            string list = string.Join(", ", partly.Select(i =>
                $"{i.Id} ({i.Profile}: {CountSlices(gpu, i) - CountCovered(i)} of {CountSlices(gpu, i)})"));
            yield return (
                Severity.Warning,
                "uncovered-slices",
                $"Compute slices of GPU instances that no compute instance covers: {list}. 'nvmig apply' with a layout such as "
                    + "'3g.20gb/2c/1c' divides a GPU instance, or name it alone for one compute instance of full size.");
        }

        if (instances.Count > 0 && FindLost(gpu, instances) is { } lost)
            yield return lost;
    }

    /// <summary>The slices that no further instance can have, wherever it is placed beside these.</summary>
    private static (Severity Severity, string Code, string Message)? FindLost(GpuReport gpu, IReadOnlyList<GpuInstanceEntry> instances)
    {
        if (gpu.Profiles is not { Count: > 0 } profiles || instances.Any(i => profiles.All(p => p.Id != i.ProfileId)))
            return null;
        (int Size, uint Mask)[] memory = Places(p => p.Placement.Size);
        (int Slices, uint Mask)[] compute = Places(p => p.Slices);
        uint taken = instances.Aggregate(0u, (mask, i) => mask | Mask(i.Placement));
        int allMemory = profiles.SelectMany(p => p.Placements).Select(p => p.Start + p.Size).DefaultIfEmpty().Max();
        int allCompute = profiles.Max(p => p.Slices);
        int lostMemory = allMemory - instances.Sum(i => i.Placement.Size) - Most(taken, memory, []);
        int lostCompute = allCompute - instances.Sum(i => CountSlices(gpu, i)) - Most(taken, compute, []);
        if (lostMemory <= 0 && lostCompute <= 0)
            return null;
        string[] parts = [
            .. lostCompute > 0 ? [$"{lostCompute} of {allCompute} compute slices"] : (string[])[],
            .. lostMemory > 0 ? [$"{lostMemory} of {allMemory} memory slices"] : (string[])[]];
        // Seven of the smallest instances leave a memory slice on most GPUs: that is as NVIDIA made them.
        return (
            lostCompute > 0 ? Severity.Warning : Severity.Note,
            "lost-slices",
            $"No instance can use {string.Join(" and ", parts)}, as the instances stand: {Name(instances)}. Other instances, or "
                + "these in other places, can use more: 'nvmig plan' with another layout shows the steps to it.");

        (int Worth, uint Mask)[] Places(Func<(int Slices, PlacementEntry Placement), int> worth) =>
            [.. profiles.Where(p => p.Free > 0).SelectMany(p => p.Placements.Select(at => (worth((p.Slices, at)), Mask(at)))).Distinct()];
    }

    /// <summary>The most that places beside those that are taken are worth together.</summary>
    private static int Most(uint taken, (int Worth, uint Mask)[] places, Dictionary<uint, int> known)
    {
        if (known.TryGetValue(taken, out int most))
            return most;
        foreach ((int worth, uint mask) in places)
        {
            if ((taken & mask) == 0)
                most = Math.Max(most, worth + Most(taken | mask, places, known));
        }

        return known[taken] = most;
    }

    private static uint Mask(PlacementEntry place) => ((1u << place.Size) - 1) << place.Start;

    private static int CountSlices(GpuReport gpu, GpuInstanceEntry instance) =>
        gpu.Profiles?.FirstOrDefault(p => p.Id == instance.ProfileId)?.Slices ?? 0;

    private static int CountCovered(GpuInstanceEntry instance) => instance.ComputeInstances
        .Sum(inside => ProfileName.TryParse(inside.Profile, out ProfileName name) ? name.ComputeSliceCount : 0);

    private static bool IsDivisibleBoard(string? name) => name?.Contains("RTX PRO 6000", StringComparison.Ordinal) == true
        || name?.Contains("RTX PRO 5000", StringComparison.Ordinal) == true;

    private static string Name(IEnumerable<GpuInstanceEntry> instances) =>
        string.Join(", ", instances.Select(i => $"{i.Id} ({i.Profile})"));
}
