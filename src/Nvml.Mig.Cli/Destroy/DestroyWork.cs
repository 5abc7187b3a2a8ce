using System.Globalization;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Destroy;

/// <summary>The instances to destroy on one GPU, in order, and how many are destroyed.</summary>
internal sealed class DestroyWork(GpuDevice gpu, IReadOnlyList<(string Name, Action Destroy)> steps)
{
    private int _done;

    /// <summary>Why it stopped on this GPU.</summary>
    private Exception? _failure;

    public GpuDevice Gpu => gpu;

    public bool HasDestroyed => _done > 0;

    public static DestroyWork Find(GpuDevice gpu, IReadOnlyList<InstanceName> names, bool recursive, bool all)
    {
        // One GPU instance after the other: if one is in use, the rest keep their compute instances.
        List<(string Name, Action Destroy)> steps = [];
        IEnumerable<GpuInstance> instances = all
            ? gpu.GetGpuInstances()
            : [.. names.Select(n => n.GpuInstance).Distinct().Select(gpu.GetGpuInstance)];
        foreach (GpuInstance instance in instances)
        {
            bool isNamed = all || names.Any(n => n.GpuInstance == instance.Id && n.ComputeInstance is null);
            HashSet<int> named = [.. names.Where(n => n.GpuInstance == instance.Id).Select(n => n.ComputeInstance).OfType<int>()];
            foreach (ComputeInstance inside in instance.GetComputeInstances())
            {
                if (named.Remove(inside.Id) || (isNamed && (all || recursive)))
                    steps.Add(($"{instance.Id}/{inside.Id}", inside.Destroy));
            }

            if (named.Count > 0)
            {
                throw new NvmlNotFoundException(
                    NvmlReturnCode.NotFound,
                    "nvmlGpuInstanceGetComputeInstanceById",
                    $"There is no compute instance {named.Min()} in {instance} (NVML_ERROR_NOT_FOUND, 6). Nothing was destroyed.");
            }

            if (isNamed)
                steps.Add((instance.Id.ToString(CultureInfo.InvariantCulture), instance.Destroy));
        }

        return new DestroyWork(gpu, steps);
    }

    public void Destroy(Action<string> begin)
    {
        try
        {
            foreach ((string name, Action destroy) in steps)
            {
                begin($"GPU {gpu.Index}: destroying {Describe(name)} ({_done + 1} of {steps.Count})");
                destroy();
                _done++;
            }
        }
        catch (Exception e) when (e is NvmlException or OperationCanceledException)
        {
            _failure = e;
            throw;
        }
    }

    public DestroyedEntry ToEntry() =>
        new(
            gpu.Index,
            gpu.Uuid,
            [.. steps.Take(_done).Select(s => s.Name)],
            [.. steps.Skip(_done).Select(s => s.Name)],
            ErrorEntry.FromOptional(_failure));

    public string Summary()
    {
        if (steps.Count == 0)
            return $"GPU {gpu.Index}: there is nothing to destroy.";
        string destroyed = _done == 0 ? "nothing" : string.Join(", ", steps.Take(_done).Select(s => Describe(s.Name)));
        string left = _done == steps.Count ? "" : $" Not destroyed: {string.Join(", ", steps.Skip(_done).Select(s => Describe(s.Name)))}.";
        return $"GPU {gpu.Index}: destroyed {destroyed}.{left}";
    }

    private static string Describe(string name) =>
        name.Split('/') is [string gpuInstance, string computeInstance]
            ? $"compute instance {computeInstance} of GPU instance {gpuInstance}"
            : $"GPU instance {name}";
}
