namespace Nvml.Mig.Cli.Create;

/// <summary>
/// The instances created on a GPU. A call that failed can have created one: what has come since the start is found, and counts as created.
/// </summary>
internal sealed class CreatedInstances(GpuDevice gpu)
{
    private readonly List<(GpuInstance Instance, ComputeInstance? Compute)> _all = [];
    private HashSet<int>? _before;

    public IReadOnlyList<(GpuInstance Instance, ComputeInstance? Compute)> All => _all;

    /// <summary>Instances that may have been created, or not.</summary>
    public List<string> Uncertain { get; } = [];

    /// <summary>Calls that failed and took effect all the same.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Reads what is there before the first creation: only that tells afterwards what has come.</summary>
    public void RememberBefore() => _before ??= [.. gpu.GetGpuInstances().Select(i => i.Id)];

    public GpuInstance Create(PlacedRequest next)
    {
        GpuInstance created;
        try
        {
            created = gpu.CreateGpuInstance(next.Profile, next.Placement);
        }
        catch (NvmlException e)
        {
            if (FindCreated(next, e) is not { } found)
                throw;
            created = found;
            Note(created.ToString(), e);
        }

        _all.Add((created, null));
        return created;
    }

    public ComputeInstance CreateInside(GpuInstance instance)
    {
        ComputeInstance created;
        try
        {
            created = instance.CreateComputeInstance();
        }
        catch (NvmlException e)
        {
            if (FindCreated(instance, e) is not { } found)
                throw;
            created = found;
            Note(created.ToString(), e);
        }

        _all[^1] = (instance, created);
        return created;
    }

    private void Note(string created, NvmlException failure) =>
        Notes.Add($"{char.ToUpperInvariant(created[0])}{created[1..]} was created, although {failure.Function} returned "
            + $"{failure.Code.ToSymbol()}.");

    /// <summary>The one instance like the request that has come, if there is one.</summary>
    private GpuInstance? FindCreated(PlacedRequest request, NvmlException failure)
    {
        GpuInstance[] come;
        try
        {
            come = [.. gpu.GetGpuInstances().Where(i => !_before!.Contains(i.Id) && !_all.Exists(c => c.Instance.Id == i.Id))];
        }
        catch (NvmlException)
        {
            Uncertain.Add($"GPU instance {request}, since the instances cannot be listed");
            return null;
        }

        GpuInstance[] alike = [.. come.Where(i =>
            i.Profile.Id == request.Profile.Id && (request.Placement is null || i.Placement == request.Placement))];
        // Without resources for it: what has come is more likely somebody else's, who took the place.
        if (alike.Length == 1 && failure is not NvmlInsufficientResourcesException)
            return alike[0];
        Uncertain.AddRange(come.Select(i => $"GPU instance {i.Id} ({i.Profile.Name} at {i.Placement}), which was not there before"));
        return null;
    }

    /// <summary>The one compute instance in a GPU instance that was created without any.</summary>
    private ComputeInstance? FindCreated(GpuInstance instance, NvmlException failure)
    {
        try
        {
            if (instance.GetComputeInstances() is not [var only])
                return null;
            if (failure is not (NvmlInsufficientResourcesException or NvmlNotFoundException))
                return only;
            Uncertain.Add($"compute instance {only.Id} in GPU instance {instance.Id}, which was not there before");
            return null;
        }
        catch (NvmlNotFoundException)
        {
            return null; // Its GPU instance is gone, and it with that.
        }
        catch (NvmlException)
        {
            Uncertain.Add($"a compute instance in GPU instance {instance.Id}, since they cannot be listed");
            return null;
        }
    }
}
