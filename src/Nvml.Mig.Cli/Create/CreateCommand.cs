using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Create;

/// <summary><c>nvmig create</c>: creates GPU instances in the given order, each with a compute instance.</summary>
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
        Description = "Create GPU instances only. No process can use them until they have compute instances.",
    };

    private static readonly Option<bool> EnableMig = new("--enable-mig") { Description = "First enable MIG mode where it is disabled." };

    public static Command Build()
    {
        Command command = new("create", "Create GPU instances in the given order, and a compute instance in each.")
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
        // The whole request is checked before the first change.
        using ChangeLock? taken = machine.TakeChangeLock();
        IReadOnlyList<Reading<CreateWork>> found = machine.Prepare((gpu, mode) =>
            new CreateWork(gpu, mode, [.. requests.Select(r => PlacedRequest.On(gpu, r))], withCompute));
        CreateWork[] work = [.. found.Select(reading => reading.Value).OfType<CreateWork>()];
        if (!enableMig && Array.Find(work, on => !on.Mode.Current) is { } disabled)
            throw Disabled(disabled);

        Exception? failure = null;
        using Interruption interruption = new();
        Progress.Run(machine.Json, say =>
        {
            // All modes first, so that no GPU is divided where another cannot be.
            failure = enableMig ? machine.ChangeEach(work, on => on.EnableMig(Begin)) : null;
            if (failure is null || machine.GoesOnAfter(failure))
            {
                Exception? later = machine.ChangeEach(work.Where(on => !on.HasFailed), on => on.Create(Begin));
                failure ??= later;
            }

            void Begin(string step)
            {
                interruption.ThrowIfRequested(
                    "Interrupted before all instances were created. Those that were created stay. To continue, run 'nvmig create' with "
                        + "those that were not tried, or 'nvmig apply' with the whole layout; to undo it, run 'nvmig destroy'.");
                say(step);
            }
        });

        // The changes done come first, from memory, since the driver may fail again.
        foreach (string note in work.SelectMany(on => on.Notes))
            Terminal.WriteError(note);
        if (failure is not null)
        {
            Terminal.WriteError(failure.Message);
            foreach (CreateWork on in work)
                Terminal.WriteError(on.Summary());
        }

        int exitCode = Readings.Finish(found);
        if (machine.Json)
        {
            Documents.Print(new CreateDocument(
                [.. found.Select(on => on.Value?.ToEntry(failure is not null)
                    ?? new CreatedEntry(on.Gpu.Index, null, false, [], null, [], [], null, ErrorEntry.FromOptional(on.Error)))],
                ErrorEntry.FromOptional(failure ?? Readings.FirstError(found))));
        }
        else
        {
            LayoutView.ShowReadable(work.Select(on => on.Gpu));
        }

        return failure is null ? exitCode : ExitCodes.For(failure);
    }

    private static NvmlNotSupportedException Disabled(CreateWork on)
    {
        string why = PendingMode.Describe(on.Gpu, on.Mode) is { } pending
            ? $"MIG mode is not active on {on.Gpu}: {pending}"
            : $"MIG mode is disabled on {on.Gpu}: add --enable-mig, or run 'nvmig enable' first.";
        return new NvmlNotSupportedException(
            NvmlReturnCode.NotSupported, "nvmlDeviceCreateGpuInstance", $"{why} Nothing was changed.");
    }
}
