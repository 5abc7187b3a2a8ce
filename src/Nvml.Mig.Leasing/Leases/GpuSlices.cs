namespace Nvml.Mig.Leasing.Leases;

/// <summary>Memory slices of a GPU by what they are used for.</summary>
/// <param name="Gpu">The UUID of the GPU.</param>
/// <param name="Leased">In instances of leases.</param>
/// <param name="Cached">In instances that nobody leases.</param>
/// <param name="Foreign">In instances that leasing did not create.</param>
/// <param name="Free">In no instance.</param>
/// <param name="Fragmented">Of the free ones those that the largest instance for which there is a place would leave over.</param>
internal sealed record GpuSlices(string Gpu, int Leased, int Cached, int Foreign, int Free, int Fragmented)
{
    public static GpuSlices Count(GpuOverview gpu, GpuGeometry geometry, IReadOnlyList<GrantedLease> leases)
    {
        Placement[] leased =
            [.. leases.SelectMany(l => l.Lease.Instances).Where(i => i.Gpu == gpu.Uuid).Select(i => i.Placement).Distinct()];
        Placement[] cached = [.. gpu.Idle.Select(i => i.Place.Placement)];
        Placement[] foreign = [.. gpu.Foreign.Select(i => i.Placement)];
        Placement[] taken = [.. leased, .. cached, .. foreign];
        int free = geometry.MemorySliceCount - taken.Sum(p => p.Size);
        int largest = geometry.Profiles.SelectMany(p => p.Placements)
            .Where(place => !Array.Exists(taken, t => t.Overlaps(place)))
            .Select(place => place.Size).DefaultIfEmpty().Max();
        return new GpuSlices(gpu.Uuid, leased.Sum(p => p.Size), cached.Sum(p => p.Size), foreign.Sum(p => p.Size), free, free - largest);
    }
}
