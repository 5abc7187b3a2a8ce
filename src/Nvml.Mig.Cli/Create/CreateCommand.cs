using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Create;

/// <summary><c>nvmig create</c>: GPU instances in the order given, each with a compute instance.</summary>
internal static class CreateCommand
{
    private static readonly Argument<string[]> Instances = new("instances")
    {
        Description = "Profiles by name or id, in order of creation: 3g.20gb,1g.5gb*3 or 9,19:0 (PROFILE[:START] or PROFILE*COUNT).",
        Arity = ArgumentArity.OneOrMore,
        Validators = { Typos.RefuseOptions },
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
        List<Work> work = [.. machine.GpusToChange().Select(gpu => new Work(gpu, [.. requests.Select(r => Wanted.On(gpu, r))], withCompute))];
        if (!enableMig && work.Find(w => !w.Gpu.GetMigMode().Current) is { } disabled)
        {
            throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported,
                "nvmlDeviceCreateGpuInstance",
                $"MIG mode is disabled on {disabled.Gpu}: add --enable-mig, or run 'nvmig enable' first. Nothing was changed.");
        }

        Exception? failure = null;
        using Interruption interruption = new();
        Progress.Run(machine.Json, say =>
        {
            try
            {
                foreach (Work on in work.Where(_ => enableMig))
                    on.EnableMig(Begin);
                foreach (Work on in work)
                    on.Create(Begin);
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                failure = e;
            }

            void Begin(string step)
            {
                interruption.ThrowIfRequested("Interrupted before all was created. What was created stays. To go on, 'nvmig create' what was not tried, or 'nvmig apply' the whole layout; to take it back, 'nvmig destroy'.");
                say(step);
            }
        });

        // What was done is told first, from memory: the driver that failed may fail again.
        if (failure is not null)
        {
            Terminal.WriteError(failure.Message);
            foreach (Work on in work)
                Terminal.WriteError(on.Summary());
        }

        if (machine.Json)
            Documents.Print(new CreateDocument([.. work.Select(on => on.ToEntry(failure is not null))], ErrorEntry.FromOptional(failure)));
        else
            LayoutView.ShowReadable(work.Select(on => on.Gpu));
        return failure is null ? ExitCodes.Success : ExitCodes.For(failure);
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
    private sealed class Work(GpuDevice gpu, IReadOnlyList<Wanted> wanted, bool withCompute)
    {
        private readonly List<(GpuInstance Instance, ComputeInstance? Compute)> _created = [];
        private int _tried;
        private bool _migEnabled;

        /// <summary>What is being done; after a failure, what failed.</summary>
        private string? _doing;

        /// <summary>Why it stopped here.</summary>
        private Exception? _failure;

        public GpuDevice Gpu => gpu;

        /// <summary>An interruption can come between a GPU instance and what goes inside.</summary>
        private IEnumerable<string> NotTried =>
        [
            .. withCompute && _doing is null ? _created.Where(c => c.Compute is null).Select(c => $"a compute instance in GPU instance {c.Instance.Id}") : [],
            .. wanted.Skip(_tried).Select(w => w.ToString()),
        ];

        public void EnableMig(Action<string> begin)
        {
            if (gpu.GetMigMode().Current)
                return;
            Do("enabling MIG mode", "", begin, () => ModeCommand.Explain(gpu, gpu.EnableMig(), enable: true) is { } problem ? throw problem : _migEnabled = true);
        }

        public void Create(Action<string> begin)
        {
            foreach (Wanted next in wanted)
            {
                string count = $" ({_tried + 1} of {wanted.Count})";
                GpuInstance instance = Do($"creating GPU instance {next}", count, begin, () =>
                {
                    _tried++;
                    return gpu.CreateGpuInstance(next.Profile, next.Placement);
                });
                _created.Add((instance, null));
                if (withCompute)
                    _created[^1] = (instance, Do($"creating a compute instance in GPU instance {instance.Id}", count, begin, () => instance.CreateComputeInstance()));
            }
        }

        public CreatedEntry ToEntry(bool failed)
        {
            IReadOnlyList<MigDevice> devices = _created.Count == 0 ? [] : TryRead(gpu.GetMigDevices) ?? [];
            return new CreatedEntry(
                gpu.Index,
                gpu.Uuid,
                _migEnabled,
                [.. _created.Select(c => Layout.Entry(c.Instance, c.Compute is null ? [] : [c.Compute], devices))],
                _doing,
                [.. NotTried],
                failed ? TryRead(Room) : [],
                ErrorEntry.FromOptional(_failure));
        }

        /// <summary>After a failure or an interruption: what was done, what failed, what was not tried, and what there is room for.</summary>
        public string Summary()
        {
            List<string> parts = [];
            if (_migEnabled)
                parts.Add("MIG mode was enabled");
            parts.Add(_created.Count == 0
                ? "nothing was created"
                : $"created and left in place: {string.Join(", ", _created.Select(c => $"GPU instance {c.Instance.Id} ({c.Instance.Profile.Name} at {c.Instance.Placement})"))}");
            if (_doing is not null)
                parts.Add($"failed: {_doing}");
            if (NotTried.Any())
                parts.Add($"not tried: {string.Join(", ", NotTried)}");
            if (TryRead(Room) is { } room)
                parts.Add($"room now for, each alone: {string.Join(", ", room.Select(r => $"{r.Free} of {r.Total} {r.Profile}"))}");
            return $"GPU {gpu.Index}: {string.Join("; ", parts)}.";
        }

        private T Do<T>(string step, string count, Action<string> begin, Func<T> act)
        {
            try
            {
                begin($"GPU {gpu.Index}: {step}{count}");
                _doing = step;
                T result = act();
                _doing = null;
                return result;
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                _failure = e;
                throw;
            }
        }

        private IReadOnlyList<RoomEntry> Room() =>
            [.. gpu.GetGpuInstanceProfiles().Select(p => new RoomEntry(p.Name, gpu.GetRemainingCapacity(p), p.MaxInstances))];

        /// <summary>What only rounds off a report must not replace it by its own failure.</summary>
        private static T? TryRead<T>(Func<T> read)
            where T : class
        {
            try
            {
                return read();
            }
            catch (NvmlException)
            {
                return null;
            }
        }
    }
}
