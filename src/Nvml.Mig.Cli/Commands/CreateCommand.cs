using System.CommandLine;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig create</c>: GPU instances in the order given, each with a compute instance.</summary>
internal static class CreateCommand
{
    private static readonly Argument<string[]> Instances = new("instances")
    {
        Description = "Profiles by name or id, in order of creation: 3g.20gb,1g.5gb*3 or 9,19:0 (PROFILE[:START] or PROFILE*COUNT).",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<bool> NoComputeInstances = new("--no-compute-instances")
    {
        Description = "Create GPU instances only. They cannot be used until they have compute instances.",
    };

    private static readonly Option<bool> EnableMig = new("--enable-mig") { Description = "Enable MIG mode first where it is disabled." };

    public static Command Build()
    {
        Command command = new("create", "Create GPU instances, in the order given, and a compute instance in each.")
        {
            Instances,
            NoComputeInstances,
            EnableMig,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(
            machine,
            InstanceRequest.ParseMany(parsed.GetRequiredValue(Instances)),
            !parsed.GetValue(NoComputeInstances),
            parsed.GetValue(EnableMig))));
        return command;
    }

    private static int Run(Machine machine, IReadOnlyList<InstanceRequest> requests, bool withCompute, bool enableMig)
    {
        // What is wrong with the request comes out before anything is changed anywhere.
        List<Work> work = [.. machine.MigCapableGpus().Select(gpu => new Work(gpu, [.. requests.Select(r => Wanted.On(gpu, r))]))];
        if (!enableMig && work.Find(w => !w.Gpu.GetMigMode().Current) is { } disabled)
        {
            throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported,
                "nvmlDeviceCreateGpuInstance",
                $"MIG mode is disabled on {disabled.Gpu}: add --enable-mig, or run 'nvmig enable' first. Nothing was changed.");
        }

        NvmlException? failure = null;
        Progress.Run(machine, say =>
        {
            try
            {
                foreach (Work on in work.Where(on => enableMig && !on.Gpu.GetMigMode().Current))
                    Enable(on.Gpu, say);
                foreach (Work on in work)
                    on.Create(withCompute, say);
            }
            catch (NvmlException e)
            {
                failure = e;
            }
        });

        if (machine.Json)
        {
            Documents.Print(new CreateDocument([.. work.Select(on => on.ToEntry(failure))], failure is null ? null : ErrorEntry.From(failure)));
        }
        else
        {
            LayoutView.Show(machine.Out, [.. work.Select(on => Layout.Read(on.Gpu))]);
        }

        if (failure is null)
            return ExitCodes.Success;
        Machine.Report(failure.Message);
        foreach (Work on in work)
            on.ExplainWhatIsLeft();
        return ExitCodes.For(failure.Code);
    }

    private static void Enable(GpuDevice gpu, Action<string> say)
    {
        say($"GPU {gpu.Index}: enabling MIG mode");
        MigModeChange change = gpu.EnableMig();
        if (MigModeCommand.Explain(gpu, change, enable: true) is { } explanation)
            throw new NvmlException(change.Reason, "nvmlDeviceSetMigMode", explanation);
    }

    /// <summary>A request in terms of a GPU: the profile and, if a start was given, the placement.</summary>
    private sealed record Wanted(GpuInstanceProfile Profile, Placement? Placement)
    {
        public static Wanted On(GpuDevice gpu, InstanceRequest request)
        {
            GpuInstanceProfile profile = gpu.GetGpuInstanceProfile(request.Profile);
            if (request.Start is not { } start)
                return new Wanted(profile, null);
            IReadOnlyList<Placement> possible = gpu.GetPossiblePlacements(profile);
            int index = possible.ToList().FindIndex(p => p.Start == start);
            return index >= 0
                ? new Wanted(profile, possible[index])
                : throw new NvmlException(
                    NvmlReturnCode.InvalidArgument,
                    "nvmlDeviceCreateGpuInstanceWithPlacement",
                    $"{profile.Name} cannot start at memory slice {start} of {gpu} (NVML_ERROR_INVALID_ARGUMENT, 2). It can at {string.Join(", ", possible.Select(p => p.Start))}.");
        }

        public override string ToString() => Placement is { } at ? $"{Profile.Name} at {at}" : Profile.Name;
    }

    /// <summary>What is to be created on one GPU, and what has been.</summary>
    private sealed class Work(GpuDevice gpu, IReadOnlyList<Wanted> wanted)
    {
        private readonly List<GpuInstance> _created = [];
        private bool _failed;

        public GpuDevice Gpu => gpu;

        private IEnumerable<string> NotTried => wanted.Skip(_created.Count + (_failed ? 1 : 0)).Select(w => w.ToString());

        public void Create(bool withCompute, Action<string> say)
        {
            foreach (Wanted next in wanted)
            {
                string count = $"{_created.Count + 1} of {wanted.Count}";
                say($"GPU {gpu.Index}: creating GPU instance {next} ({count})");
                _failed = true;
                GpuInstance instance = gpu.CreateGpuInstance(next.Profile, next.Placement);
                _failed = false;
                _created.Add(instance);
                if (!withCompute)
                    continue;
                say($"GPU {gpu.Index}: creating a compute instance in GPU instance {instance.Id} ({count})");
                instance.CreateComputeInstance();
            }
        }

        public CreatedEntry ToEntry(NvmlException? failure)
        {
            HashSet<int> ids = [.. _created.Select(i => i.Id)];
            return new CreatedEntry(
                gpu.Index,
                gpu.Uuid,
                ids.Count == 0 ? [] : [.. Layout.Read(gpu).GpuInstances.Where(i => ids.Contains(i.Id))],
                _failed ? wanted[_created.Count].ToString() : null,
                [.. NotTried],
                failure is null ? [] : [.. Room()]);
        }

        /// <summary>After a failure: what stands, what was not tried, and what there is room for.</summary>
        public void ExplainWhatIsLeft()
        {
            string created = _created.Count == 0
                ? "nothing was created"
                : $"created and left in place: {string.Join(", ", _created.Select(i => $"GPU instance {i.Id} ({i.Profile.Name} at {i.Placement})"))}";
            string failed = _failed ? $"; failed: {wanted[_created.Count]}" : "";
            string notTried = NotTried.Any() ? $"; not tried: {string.Join(", ", NotTried)}" : "";
            Machine.Report($"GPU {gpu.Index}: {created}{failed}{notTried}.");
            Machine.Report($"GPU {gpu.Index} has room for {string.Join(", ", Room().Select(r => $"{r.Free} of {r.Total} {r.Profile}"))} (each alone).");
        }

        private IEnumerable<RoomEntry> Room() =>
            gpu.GetGpuInstanceProfiles().Select(p => new RoomEntry(p.Name, gpu.GetRemainingCapacity(p), p.MaxInstances));
    }
}
