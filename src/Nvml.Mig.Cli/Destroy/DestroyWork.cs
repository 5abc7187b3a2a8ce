using Nvml.Mig.Applying;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Destroy;

/// <summary>The instances to destroy on one GPU, in order, and what became of them.</summary>
internal sealed class DestroyWork
{
    private readonly MigMode _mode;
    private readonly IReadOnlyList<DestroyStep> _steps;
    private readonly bool _isAll;

    /// <summary>Why it stopped on this GPU.</summary>
    private Exception? _failure;

    private DestroyWork(GpuDevice gpu, MigMode mode, IReadOnlyList<DestroyStep> steps, bool isAll)
    {
        Gpu = gpu;
        _mode = mode;
        _steps = steps;
        _isAll = isAll;
    }

    public GpuDevice Gpu { get; }

    public bool HasDestroyed => _steps.Any(step => step.IsGone != false);

    public static DestroyWork Find(GpuDevice gpu, MigMode mode, IReadOnlyList<InstanceName> names, bool recursive, bool all)
    {
        // One GPU instance after the other: if one is in use, the rest keep their compute instances.
        List<DestroyStep> steps = [];
        IEnumerable<GpuInstance> instances = all
            ? mode.Current ? gpu.GetGpuInstances() : []
            : [.. names.Select(n => n.GpuInstance).Distinct().Select(gpu.GetGpuInstance)];
        foreach (GpuInstance instance in instances)
        {
            bool isNamed = all || names.Any(n => n.GpuInstance == instance.Id && n.ComputeInstance is null);
            HashSet<int> named = [.. names.Where(n => n.GpuInstance == instance.Id).Select(n => n.ComputeInstance).OfType<int>()];
            foreach (ComputeInstance inside in instance.GetComputeInstances())
            {
                if (named.Remove(inside.Id) || (isNamed && (all || recursive)))
                    steps.Add(new DestroyStep(instance, inside));
            }

            if (named.Count > 0)
            {
                throw new NvmlNotFoundException(
                    NvmlReturnCode.NotFound,
                    "nvmlGpuInstanceGetComputeInstanceById",
                    $"There is no compute instance {named.Min()} in {instance} (NVML_ERROR_NOT_FOUND, 6). Nothing was destroyed.");
            }

            if (isNamed)
                steps.Add(new DestroyStep(instance, null));
        }

        return new DestroyWork(gpu, mode, steps, all);
    }

    /// <summary>Leased instances are not destroyed, in use or not.</summary>
    /// <exception cref="NvmlInUseException">An instance is leased.</exception>
    public DestroyWork RefuseIfPromised(IReadOnlyList<PromisedInstance> promised)
    {
        foreach (GpuInstance instance in _steps.Select(step => step.GpuInstance).Distinct())
        {
            if (PromisedInstance.Find(promised, Gpu.Uuid, instance.Profile.Id, instance.Placement) is { } promise)
            {
                throw new NvmlInUseException(
                    NvmlReturnCode.InUse,
                    "nvmlGpuInstanceDestroy",
                    $"{instance} is leased ({promise.Lease}). To end the lease, run 'nvmig lease release {promise.Lease}'. Nothing was "
                        + "destroyed.");
            }
        }

        return this;
    }

    /// <summary>Destroys them; <paramref name="note"/> hears of calls that failed and took effect all the same.</summary>
    public void Destroy(Action<string> begin, Action<string> note)
    {
        try
        {
            for (int i = 0; i < _steps.Count; i++)
            {
                begin($"GPU {Gpu.Index}: destroying {_steps[i]} ({i + 1} of {_steps.Count})");
                if (_steps[i].Destroy() is { } failed)
                    note(failed);
            }
        }
        catch (Exception e) when (e is NvmlException or OperationCanceledException)
        {
            _failure = e;
            throw;
        }
    }

    public DestroyedEntry ToEntry() =>
        new(Gpu.Index, Gpu.Uuid, Names(isGone: true), Names(isGone: false), Names(isGone: null), ErrorEntry.FromOptional(_failure));

    public string Summary()
    {
        if (_steps.Count == 0)
            return $"GPU {Gpu.Index}: there is nothing to destroy.";
        string destroyed = List(isGone: true) is { Length: > 0 } gone ? gone : "nothing";
        string left = List(isGone: false) is { Length: > 0 } there ? $" Not destroyed: {there}." : "";
        string uncertain = List(isGone: null) is { Length: > 0 } unread ? $" Uncertain, since it cannot be read: {unread}." : "";
        return $"GPU {Gpu.Index}: destroyed {destroyed}.{left}{uncertain}";
    }

    /// <summary>The instances now. After all were destroyed, and each read back, there is nothing to list again.</summary>
    public Layout ReadLayout() => _isAll && _steps.All(step => step.IsGone == true)
        ? Layout.OfEmpty(Gpu, _mode)
        : Layout.Read(Gpu, _mode, draws: true);

    private string[] Names(bool? isGone) => [.. _steps.Where(step => step.IsGone == isGone).Select(step => step.Name)];

    private string List(bool? isGone) => string.Join(", ", _steps.Where(step => step.IsGone == isGone));
}
