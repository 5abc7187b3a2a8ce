using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Destroy;

/// <summary><c>nvmig destroy</c>: GPU instances and compute instances, by id.</summary>
internal static class DestroyCommand
{
    private static readonly Argument<string[]> Instances = new("instances")
    {
        Description = "GPU instances by id (2), and compute instances as GPU instance/compute instance (2/0).",
        Arity = ArgumentArity.ZeroOrMore,
        Validators = { Typos.RefuseOptions },
    };

    private static readonly Option<bool> Recursive = new("--recursive", "-r")
    {
        Description = "Destroy the compute instances inside the named GPU instances first.",
    };

    private static readonly Option<bool> All = new("--all") { Description = "Destroy every instance on the GPUs, compute instances included." };

    public static Command Build()
    {
        Command command = new("destroy", "Destroy instances. A GPU instance with compute instances is refused, unless --recursive.")
        {
            Instances,
            Recursive,
            All,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(
            machine, parsed.GetValue(Instances) ?? [], parsed.GetValue(Recursive), parsed.GetValue(All))));
        return command;
    }

    private static int Run(Machine machine, string[] arguments, bool recursive, bool all)
    {
        if (all == arguments.Length > 0)
            throw new UsageException("Name the instances to destroy, as 2 or 2/0, or say --all.");
        List<InstanceName> names = [.. arguments
            .SelectMany(argument => argument.Split(',', StringSplitOptions.TrimEntries))
            .Select(InstanceName.Parse)
            .Distinct()];

        // A name that does not fit comes out before anything is destroyed anywhere.
        List<Work> work = [.. machine.GpusToChange().Select(gpu => Work.Find(gpu, names, recursive, all))];
        Exception? failure = null;
        using Interruption interruption = new();
        Progress.Run(machine.Json, say =>
        {
            try
            {
                foreach (Work on in work)
                    on.Destroy(Begin);
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                failure = e;
            }

            void Begin(string step)
            {
                interruption.ThrowIfRequested("Interrupted before all was destroyed. What was not destroyed stands as before. To go on, 'nvmig destroy' it.");
                say(step);
            }
        });

        if (failure is not null)
            Terminal.WriteError(failure.Message);
        if (machine.Json)
        {
            Documents.Print(new DestroyDocument([.. work.Select(on => on.ToEntry())], ErrorEntry.FromOptional(failure)));
        }
        else
        {
            foreach (Work on in work)
                Terminal.WriteLine(on.Summary());
            if (work.Exists(on => on.HasDestroyed))
                LayoutView.ShowReadable(work.Select(on => on.Gpu));
        }

        return failure is null ? ExitCodes.Success : ExitCodes.For(failure);
    }

    /// <summary>What is to be destroyed on one GPU, in order, and how far it got.</summary>
    private sealed class Work(GpuDevice gpu, IReadOnlyList<(string Name, Action Destroy)> steps)
    {
        private int _done;

        /// <summary>Why it stopped here.</summary>
        private Exception? _failure;

        public GpuDevice Gpu => gpu;

        public bool HasDestroyed => _done > 0;

        public static Work Find(GpuDevice gpu, IReadOnlyList<InstanceName> names, bool recursive, bool all)
        {
            // One GPU instance after the other, so that one in use leaves the rest whole, not all of them without compute instances.
            List<(string Name, Action Destroy)> steps = [];
            foreach (GpuInstance instance in all ? gpu.GetGpuInstances() : [.. names.Select(n => n.GpuInstance).Distinct().Select(gpu.GetGpuInstance)])
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

            return new Work(gpu, steps);
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
            new(gpu.Index, gpu.Uuid, [.. steps.Take(_done).Select(s => s.Name)], [.. steps.Skip(_done).Select(s => s.Name)], ErrorEntry.FromOptional(_failure));

        public string Summary()
        {
            if (steps.Count == 0)
                return $"GPU {gpu.Index}: there was nothing to destroy.";
            string destroyed = _done == 0 ? "nothing" : string.Join(", ", steps.Take(_done).Select(s => Describe(s.Name)));
            string left = _done == steps.Count ? "" : $" Not destroyed: {string.Join(", ", steps.Skip(_done).Select(s => Describe(s.Name)))}.";
            return $"GPU {gpu.Index}: destroyed {destroyed}.{left}";
        }

        private static string Describe(string name) =>
            name.Split('/') is [string gpuInstance, string computeInstance]
                ? $"compute instance {computeInstance} of GPU instance {gpuInstance}"
                : $"GPU instance {name}";
    }
}
