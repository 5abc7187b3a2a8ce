using System.CommandLine;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig plan</c>: how to get to a layout, without changing anything.</summary>
internal static class PlanCommand
{
    private static readonly Argument<string[]> Wishes = new("wish")
    {
        Description = "The layout: 3g.20gb,1g.5gb*3 or 9,19:0; 1c.3g.20gb*2 for compute instances that share GPU instances, 3g.20gb/2c/1c to say what is in one. Or a change to what is there: +1g.5gb,-GI7.",
        Arity = ArgumentArity.OneOrMore,
        Validators = { Slips.RefuseLongOptions },
    };

    private static readonly Option<bool> Anywhere = new("--anywhere")
    {
        Description = "Place the instances on any of the GPUs, beside what is there; without it, the layout is meant for each GPU.",
    };

    private static readonly Option<string?> For = new("--for")
    {
        Description = "Plan for an empty GPU of a model that 'simulate models' lists, without a GPU.",
        HelpName = "MODEL",
    };

    private static readonly Option<int[]> ForceInUse = new("--force-in-use")
    {
        Description = "GPU instances, by id, that may be destroyed or changed although they are in use; on the one GPU that -i names.",
        HelpName = "ID",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Command Build()
    {
        Command command = new("plan", "Say how to get to a layout: what stays, what goes, what comes where. Changes nothing. Exit code 23: no room, 19: something in use is in the way.")
        {
            Wishes,
            Anywhere,
            For,
            ForceInUse,
            SvgOption.File,
        };
        command.SetAction(Run);
        return command;
    }

    private static int Run(ParseResult parsed)
    {
        LayoutSpec wish = LayoutSpec.Parse(string.Join(',', parsed.GetRequiredValue(Wishes)));
        string? svg = SvgOption.Get(parsed);
        bool anywhere = parsed.GetValue(Anywhere);
        int[] forced = parsed.GetValue(ForceInUse) ?? [];
        if (parsed.GetValue(For) is { } model)
        {
            if (anywhere || forced.Length > 0 || parsed.GetResult(GlobalOptions.Gpu) is not null || parsed.GetValue(GlobalOptions.Simulate) is not null)
                throw new UsageException("--for plans for a GPU that is not there: it goes with none of --gpu, --simulate, --anywhere and --force-in-use.");
            (string name, GpuSnapshot empty) = EmptyGpu(model);
            return Finish([Planned.For(name, empty, wish)], parsed.GetValue(GlobalOptions.Json), svg, Machine.CreateConsole());
        }

        return Machine.Run(parsed, machine =>
        {
            IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
            if (forced.Length > 0 && (gpus.Count != 1 || anywhere))
                throw new UsageException("--force-in-use names instances of one GPU: choose it with -i.");
            IReadOnlyList<GpuSnapshot> states = [.. GpuDevice.ReadSnapshots(gpus).Select(r => r.GetSnapshotOrThrow())];
            Planned[] planned = anywhere
                ? PlaceAnywhere(gpus, states, wish)
                : [.. gpus.Select((gpu, i) => Planned.On(gpu, states[i], wish, forced))];
            return Finish(planned, machine.Json, svg, machine.Out);
        });
    }

    private static int Finish(Planned[] planned, bool json, string? svg, Spectre.Console.IAnsiConsole console)
    {
        // Room counts more than use: who waits until nothing is in use does not get further where there is no room.
        Planned? refused = Array.Find(planned, p => p.Refusal?.Reason == PlanRefusalReason.NoRoom) ?? Array.Find(planned, p => p.Refusal is not null);
        foreach (Planned plan in planned.Where(p => p.Refusal is not null))
            Failures.Say($"{plan.Title}: {plan.Refusal!.Message}");
        if (svg is not null)
            SvgPicture.Write(svg, planned.Select(SvgPicture.ToSvg));
        if (json)
        {
            Documents.Print(new PlanDocument(
                [.. planned.Select(p => p.ToEntry())],
                refused is null ? null : ErrorEntry.From(refused.Refusal!) with { Message = $"{refused.Title}: {refused.Refusal!.Message}" }));
        }
        else if (svg != "-")
        {
            foreach (Planned plan in planned)
                PlanView.Show(console, plan);
        }

        return refused is null ? ExitCodes.Success : ExitCodes.For(refused.Refusal!);
    }

    /// <summary>A GPU of a private simulated machine; what goes inside its GPU instances is found out by creating one of each.</summary>
    private static (string Name, GpuSnapshot Empty) EmptyGpu(string model)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(model);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        if (session.Devices.Count != 1)
            throw new UsageException($"--for takes one GPU model; '{model}' is {session.Devices.Count} GPUs.");
        GpuDevice gpu = session.Devices[0];
        if (!gpu.IsMigCapable())
            throw new UsageException($"--for {model}: a {gpu.Name} cannot be divided. 'simulate models' lists those that can.");
        gpu.EnableMig();
        List<ProfileGeometry> profiles = [];
        foreach (GpuInstanceProfile profile in gpu.GetGpuInstanceProfiles())
        {
            GpuInstance instance = gpu.CreateGpuInstance(profile);
            profiles.Add(gpu.ReadGeometry().Profiles.Single(p => p.Profile == profile));
            instance.Destroy();
        }

        return (gpu.Name, GpuSnapshot.Empty(new GpuGeometry(profiles)));
    }

    /// <summary>What is wished is shared out over the GPUs; each that gets something has a plan of its own.</summary>
    private static Planned[] PlaceAnywhere(IReadOnlyList<GpuDevice> gpus, IReadOnlyList<GpuSnapshot> states, LayoutSpec wish)
    {
        if (wish.Items.FirstOrDefault(i => i.Kind == InstanceSpecKind.Remove || i.Shared is not null || i.Start is not null) is { } odd)
            throw new UsageException($"'{odd}' cannot be placed anywhere: --anywhere takes GPU instances without a place.");
        InstanceSpec[] wanted = [.. wish.Items.SelectMany(item => Enumerable.Repeat(item with { Count = 1, Kind = InstanceSpecKind.Add }, item.Count))];
        foreach (string profile in wanted.Select(w => w.Profile).Distinct(StringComparer.Ordinal))
            RequireProfile(states, profile);
        GpuPool fleet = new(gpus.Select((gpu, i) => new PoolGpu(gpu.Uuid, states[i], gpu.Name)));
        PoolRequest[] requests = [.. wanted.Select(w => new PoolRequest(w.Profile))];
        if (!fleet.TryPlaceAll(requests, out IReadOnlyList<PoolPlacement>? places, out PoolRefusal? refusal))
            throw NoRoom(fleet, requests, refusal);

        return [.. gpus
            .Select((gpu, i) => (Gpu: gpu, State: states[i], Items: wanted.Where((_, w) => places[w].Gpu == i)
                .Zip(places.Where(p => p.Gpu == i), (item, place) => item with { Start = place.Placement.Start }).ToArray()))
            .Where(g => g.Items.Length > 0)
            .Select(g => Planned.On(g.Gpu, g.State, new LayoutSpec(g.Items), []))];
    }

    private static NvmlInsufficientResourcesException NoRoom(GpuPool fleet, PoolRequest[] requests, PoolRefusal refusal)
    {
        string left = string.Join(", ", refusal.Unplaced.GroupBy(r => r.Profile, StringComparer.Ordinal).Select(g => $"{g.Count()} of {requests.Count(r => r.Profile == g.Key)} {g.Key}"));
        GpuPool empty = new(fleet.Gpus.Select(gpu => gpu with { Snapshot = GpuSnapshot.Empty(gpu.Snapshot.Geometry) }));
        string otherwise = fleet.OpenedCount > 0 && empty.TryPlaceAll(requests, out _, out _) ? " On the same GPUs without instances there is room for all." : "";
        return new NvmlInsufficientResourcesException(
            NvmlReturnCode.InsufficientResources,
            "nvmlDeviceCreateGpuInstance",
            $"There is no room: {refusal.Message} Placed one after the other, {left} {(refusal.Unplaced.Count == 1 ? "is" : "are")} left over.{otherwise} Nothing was changed.");
    }

    /// <summary>A profile that no GPU has is a mistake, not a lack of room.</summary>
    private static void RequireProfile(IReadOnlyList<GpuSnapshot> states, string profile)
    {
        PlanningException? unknown = null;
        foreach (GpuSnapshot state in states)
        {
            try
            {
                state.Geometry.GetProfile(profile);
                return;
            }
            catch (PlanningException e) when (e.Error == PlanningError.UnknownProfile)
            {
                unknown ??= e;
            }
        }

        if (unknown is not null)
            throw unknown;
    }
}
