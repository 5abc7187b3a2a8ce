namespace Nvml.Mig.Leasing.Leases;

/// <summary>Creates and destroys instances: every intention is in the store before the driver's change, and its result after.</summary>
internal sealed class InstanceMaker(Book book, LeaseStore store, PoolGpus gpus)
{
    /// <summary>Creates an instance with a compute instance that takes the whole of it.</summary>
    /// <exception cref="NvmlException">It cannot be created. What there is of it is found when the GPU is read.</exception>
    public InstanceEntry Create(InstancePlace place, string profile)
    {
        if (WholeGpu.Is(place))
        {
            InstanceEntry whole = new(place, profile, InstanceStage.Ready)
            {
                GpuInstanceId = -1,
                ComputeInstanceId = -1,
                MigUuid = place.Gpu,
            };
            book.Instances.Put(whole.Key, whole);
            return whole;
        }

        InstanceEntry entry = new(place, profile, InstanceStage.Creating);
        book.Instances.Put(entry.Key, entry);
        store.Commit(book);
        GpuDevice device = gpus.GetDevice(place.Gpu);
        GpuInstance instance = device.CreateGpuInstance(device.GetGpuInstanceProfile(place.ProfileId), place.Placement);
        ComputeInstance compute = instance.CreateComputeInstance();
        entry = entry with
        {
            Stage = InstanceStage.Ready,
            GpuInstanceId = instance.Id,
            ComputeInstanceId = compute.Id,
            MigUuid = compute.GetMigDevice().Uuid,
        };
        book.Instances.Put(entry.Key, entry);
        return entry;
    }

    /// <summary>Destroys an instance. The driver refuses it while a process uses it.</summary>
    /// <exception cref="NvmlException">It cannot be destroyed. What there is of it is found when the GPU is read.</exception>
    public void Destroy(InstanceEntry entry)
    {
        book.Instances.Put(entry.Key, entry with { Stage = InstanceStage.Destroying });
        store.Commit(book);
        if (!WholeGpu.Is(entry.Place) && Find(entry) is { } instance)
        {
            foreach (ComputeInstance compute in instance.GetComputeInstances())
                compute.Destroy();
            instance.Destroy();
        }

        book.Instances.Remove(entry.Key);
    }

    /// <summary>Whether a cached instance is there as the book says, and no process uses it.</summary>
    /// <exception cref="NvmlException">The GPU cannot be read.</exception>
    public bool CanReuse(InstanceEntry entry)
    {
        if (WholeGpu.Is(entry.Place))
            return IsFree(entry.Place.Gpu);
        if (Find(entry) is not { } instance)
            return false;
        if (instance.Device.GetProcesses().Any(p => p.GpuInstanceId == entry.GpuInstanceId))
            return false;
        try
        {
            return instance.GetComputeInstance(entry.ComputeInstanceId).Profile.SliceCount == instance.Profile.SliceCount;
        }
        catch (NvmlNotFoundException)
        {
            return false;
        }
    }

    /// <summary>Whether MIG is disabled on a GPU, and no process uses it.</summary>
    /// <exception cref="NvmlException">The GPU cannot be read.</exception>
    public bool IsFree(string gpu)
    {
        GpuDevice device = gpus.GetDevice(gpu);
        return device.GetMigMode() is { Current: false, Pending: false } && device.GetProcesses().Count == 0;
    }

    /// <summary>The instance, if it is the one that the book means: a stranger's can have its id by now.</summary>
    private GpuInstance? Find(InstanceEntry entry)
    {
        try
        {
            GpuInstance instance = gpus.GetDevice(entry.Place.Gpu).GetGpuInstance(entry.GpuInstanceId);
            return instance.Profile.Id == entry.Place.ProfileId && instance.Placement == entry.Place.Placement ? instance : null;
        }
        catch (NvmlNotFoundException)
        {
            return null;
        }
    }
}
