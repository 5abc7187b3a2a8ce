using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Planning;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Plan;

/// <summary><c>nvmig plan</c>: shows how to get to a layout, and changes nothing.</summary>
internal static class PlanCommand
{
    private static readonly Option<bool> Anywhere = new("--anywhere")
    {
        Description = "Place the instances on any of the GPUs, beside those that exist. Without it, the layout is for each GPU.",
    };

    private static readonly Option<string?> For = new("--for")
    {
        Description = "Plan for an empty GPU of a model that 'simulate models' lists, without a GPU.",
        HelpName = "MODEL",
    };

    /// <summary>Why steps are taken that finish what an apply began.</summary>
    public const string BegunBefore = "the change was begun before, and is finished";

    public static Command Build()
    {
        Command command = new(
            "plan",
            "Show what 'apply' would do: what stays, what is destroyed, what is created where. Changes nothing. Exit code 23: no room, 19: "
            + "an instance in use is in the way.")
        {
            Anywhere,
            For,
            SvgOption.File,
        };
        InstanceOptions.AddTo(command);
        Argument<string[]> layout = LayoutSource.AddTo(
            command,
            "The layout: 3g.20gb,1g.5gb*3 or 9,19:0; 1c.3g.20gb*2 for compute instances that share GPU instances, 3g.20gb/2c/1c for those "
            + "inside one; none for an empty GPU. Or a change to the present layout: +1g.5gb,-GI7.");
        command.SetAction(parsed => Run(parsed, layout));
        return command;
    }

    private static int Run(ParseResult parsed, Argument<string[]> layout)
    {
        string? svg = SvgOption.Get(parsed);
        bool anywhere = parsed.GetValue(Anywhere);
        if (parsed.GetValue(For) is { } model)
        {
            if (anywhere || InstanceOptions.AreGiven(parsed) || LayoutSource.NamesFile(parsed)
                || parsed.GetResult(GlobalOptions.Gpu) is not null || parsed.GetValue(GlobalOptions.Simulate) is not null)
            {
                throw new UsageException(
                    "--for plans without a GPU: it cannot be used with --gpu, --simulate, --config-file, --anywhere, --force-in-use, "
                        + "--keep or --evict.");
            }

            LayoutSpec spec = LayoutSource.ReadArgument(parsed, layout);
            (string name, GpuSnapshot empty) = EmptyGpu(model);
            return Finish([PlannedGpu.For(name, empty, spec)], parsed.GetValue(GlobalOptions.Json), svg);
        }

        return Machine.Run(parsed, machine =>
        {
            if (anywhere && LayoutSource.NamesFile(parsed))
                throw new UsageException("--anywhere places one layout on all GPUs: it cannot be used with --config-file.");
            if (anywhere && InstanceOptions.AreGiven(parsed))
                throw new UsageException("--anywhere destroys nothing: it cannot be used with --force-in-use, --keep or --evict.");
            RequestedLayouts requested = LayoutSource.Read(parsed, machine, layout);
            requested.WriteNotes();
            IReadOnlyList<GpuTarget> targets = InstanceOptions.Complete(parsed, machine, requested.Targets);
            LayoutSpec? shared = anywhere ? LayoutSource.ReadArgument(parsed, layout) : null;
            if (shared is not null)
                targets = [.. targets.Select(target => target with { Layout = null })];
            ApplyResult result = requested.Complete(DryRun(machine, targets));
            requested.WriteNotes(result);
            Dictionary<int, LayoutSpec?> layoutOf = targets.ToDictionary(target => target.Gpu.Index, target => target.Layout);
            PlannedGpu[] planned = shared is not null ? AnywherePlan.Place(result.Gpus, shared) : [.. result.Gpus.Select(gpu =>
                PlannedGpu.From(gpu, layoutOf.GetValueOrDefault(gpu.Gpu.Index) ?? new LayoutSpec(), BegunBefore))];
            if (planned.Length == 0 && !machine.Json && svg != "-")
                Terminal.WriteLine("Nothing to do.");
            return Finish(planned, machine.Json, svg);
        });
    }

    /// <summary>Finds out what an apply would do.</summary>
    public static ApplyResult DryRun(Machine machine, IReadOnlyList<GpuTarget> targets) => targets.Count == 0
        ? new ApplyResult([])
        : LayoutApplier.ApplyAsync(targets, new ApplyOptions { DryRun = true, JournalFolder = machine.JournalFolder })
            .GetAwaiter().GetResult();

    private static int Finish(PlannedGpu[] planned, bool json, string? svg)
    {
        // Lack of room comes first: where there is none, it does not help to wait until nothing is in use.
        PlannedGpu? refused = Array.Find(planned, p => p.Refusal?.Reason == PlanRefusalReason.NoRoom)
            ?? Array.Find(planned, p => p.Refusal is not null)
            ?? Array.Find(planned, p => p.Error is not null);
        foreach (PlannedGpu plan in planned.Where(p => p.Refusal is not null || p.Error is not null))
            Terminal.WriteError($"{plan.Title}: {plan.Refusal?.Message ?? plan.Error!.Message}");
        if (svg is not null)
            SvgPicture.Write(svg, planned.Select(PlanPicture.From));
        if (json)
        {
            ErrorEntry? error = refused?.ToEntry().Error;
            Documents.Print(new PlanDocument(
                [.. planned.Select(p => p.ToEntry())],
                error is null ? null : error with { Message = $"{refused!.Title}: {error.Message}" }));
        }
        else if (svg != "-")
        {
            foreach (PlannedGpu plan in planned)
                PlanView.Show(plan);
        }

        return refused is null ? ExitCodes.Success
            : refused.Refusal is { } refusal ? ExitCodes.For(refusal)
            : ExitCodes.For(refused.Error!);
    }

    /// <summary>
    /// A GPU of a private simulated machine. One instance of each profile is created, since only inside it NVML reports its compute
    /// instances.
    /// </summary>
    private static (string Name, GpuSnapshot Empty) EmptyGpu(string model)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(model);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        if (session.Devices.Count != 1)
            throw new UsageException($"--for takes one GPU model; '{model}' is {session.Devices.Count} GPUs.");
        GpuDevice gpu = session.Devices[0];
        if (!gpu.IsMigCapable())
            throw new UsageException($"--for {model}: a {gpu.Name} does not support MIG. 'simulate models' lists the models that do.");
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
}
