using Nvml.Mig.Configuration;
using Nvml.Mig.Configuration.Formats;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>The outcome of a layout on a GPU.</summary>
internal enum LayoutOutcome
{
    /// <summary>The GPU has all instances of the layout, or MIG mode is disabled as it says.</summary>
    Applied,

    /// <summary>No entry is for this kind of GPU.</summary>
    NoEntry,

    /// <summary>The GPU has no profile of such a name.</summary>
    NoProfile,

    /// <summary>The GPU has no room for the instances.</summary>
    NoRoom,

    /// <summary>The GPU cannot be divided.</summary>
    NotMigCapable,
}

/// <summary>mig-parted's way to a layout (v0.15: pkg/mig/config), step by step on a simulated GPU.</summary>
internal static class MigPartedRules
{
    public static LayoutOutcome Apply(GpuDevice gpu, NamedLayout layout)
    {
        GpuIdentity identity = GpuIdentity.From(gpu);
        LayoutEntry[] entries = [.. layout.Entries.Where(entry => entry.Choose([identity]).Count > 0)];
        if (entries.Length == 0)
            return LayoutOutcome.NoEntry; // success, and nothing was done
        if (!identity.IsMigCapable)
            return entries[^1].IsMigEnabled ? LayoutOutcome.NotMigCapable : LayoutOutcome.Applied; // both success, nothing was done
        if (gpu.GetMigMode().Current)
            Clear(gpu);
        if (entries[^1].Layout is not { } wanted)
        {
            gpu.DisableMig();
            return LayoutOutcome.Applied;
        }

        gpu.EnableMig();
        List<GpuInstanceProfile> order = [];
        foreach ((string name, int count) in MigPartedDevices.For(wanted))
        {
            ProfileName profile = ProfileName.Parse(MigPartedDevices.ToItem(name, 1).Profile);
            // By the very name. One unknown name makes it forget all: success, and the GPU is left empty.
            if (gpu.GetGpuInstanceProfiles().FirstOrDefault(p => ProfileName.Parse(p.Name) == profile) is not { } found)
                return LayoutOutcome.NoProfile;
            order.AddRange(Enumerable.Repeat(found, count));
        }

        GpuInstanceProfile[] sorted = [.. order.OrderByDescending(p => p.SliceCount)];
        return TryOrders(gpu, sorted, 0) ? LayoutOutcome.Applied : LayoutOutcome.NoRoom;
    }

    /// <summary>mig-parted's assert (cmd/nvidia-mig-parted/assert): whether every GPU of the machine is as the layout says.</summary>
    public static bool Assert(IReadOnlyList<GpuDevice> gpus, NamedLayout layout)
    {
        GpuIdentity[] identities = [.. gpus.Select(GpuIdentity.From)];
        bool[] matched = new bool[gpus.Count];
        foreach (LayoutEntry entry in layout.Entries)
        {
            foreach (GpuIdentity gpu in entry.Choose(identities))
            {
                bool isEnabled = gpu.IsMigCapable && gpus[gpu.Index].GetMigMode().Current;
                if (entry.IsMigEnabled != isEnabled)
                    return false;
                matched[gpu.Index] = entry.Layout is null || Count(gpus[gpu.Index]).SetEquals(Count(entry.Layout));
            }
        }

        return matched.All(matches => matches);
    }

    private static HashSet<(ProfileName Profile, int Slices, int Count)> Count(GpuDevice gpu) =>
        [.. gpu.GetGpuInstances().SelectMany(
            instance => instance.GetComputeInstances().Select(inside => (instance.Profile, inside.Profile)))
            .GroupBy(one => one)
            .Select(same => (ProfileName.Parse(same.Key.Item1.Name), same.Key.Item2.SliceCount, same.Count()))];

    private static HashSet<(ProfileName Profile, int Slices, int Count)> Count(LayoutSpec layout) =>
        [.. MigPartedDevices.For(layout).Select(device =>
        {
            InstanceSpec item = MigPartedDevices.ToItem(device.Profile, 1);
            ProfileName profile = ProfileName.Parse(item.Profile);
            int slices = item.Shared is null ? profile.GpuSliceCount : ProfileName.Parse($"{item.Shared}.{item.Profile}").ComputeSliceCount;
            return (profile, slices, device.Count);
        })];

    /// <summary>All orders until the driver accepts one; the driver chooses the places.</summary>
    private static bool TryOrders(GpuDevice gpu, GpuInstanceProfile[] order, int from)
    {
        if (from == order.Length)
            return TryCreate(gpu, order);
        for (int i = from; i < order.Length; i++)
        {
            if (Array.IndexOf(order, order[i], from, i - from) >= 0)
                continue;
            (order[from], order[i]) = (order[i], order[from]);
            if (TryOrders(gpu, order, from + 1))
                return true;
            (order[from], order[i]) = (order[i], order[from]);
        }

        return false;
    }

    private static bool TryCreate(GpuDevice gpu, GpuInstanceProfile[] order)
    {
        Clear(gpu);
        foreach (GpuInstanceProfile profile in order)
        {
            try
            {
                gpu.CreateGpuInstance(profile).CreateComputeInstance();
            }
            catch (NvmlInsufficientResourcesException)
            {
                return false;
            }
        }

        return true;
    }

    private static void Clear(GpuDevice gpu)
    {
        foreach (GpuInstance instance in gpu.GetGpuInstances())
        {
            foreach (ComputeInstance inside in instance.GetComputeInstances())
                inside.Destroy();
            instance.Destroy();
        }
    }
}
