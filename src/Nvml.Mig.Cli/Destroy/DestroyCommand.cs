using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Destroy;

/// <summary><c>nvmig destroy</c>: destroys GPU instances and compute instances, by id.</summary>
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

    private static readonly Option<bool> All = new("--all")
    {
        Description = "Destroy every instance on the GPUs, compute instances included.",
    };

    public static Command Build()
    {
        Command command = new("destroy", "Destroy instances. A GPU instance with compute instances is refused without --recursive.")
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
            throw new UsageException("Name the instances to destroy, such as 2 or 2/0, or add --all.");
        List<InstanceName> names = [.. arguments
            .SelectMany(argument => argument.Split(',', StringSplitOptions.TrimEntries))
            .Select(InstanceName.Parse)
            .Distinct()];

        // All names are checked before the first instance is destroyed.
        using ChangeLock? taken = machine.TakeChangeLock();
        IReadOnlyList<PromisedInstance> promised = taken is null ? [] : PromisedInstance.ReadAll(machine.JournalFolder);
        IReadOnlyList<Reading<DestroyWork>> found = machine.Prepare(
            (gpu, mode) => DestroyWork.Find(gpu, mode, names, recursive, all).RefuseIfPromised(promised));
        DestroyWork[] work = [.. found.Select(reading => reading.Value).OfType<DestroyWork>()];
        Exception? failure = null;
        List<string> notes = [];
        using Interruption interruption = new();
        Progress.Run(machine.Json, say => failure = machine.ChangeEach(work, on => on.Destroy(
            step =>
            {
                interruption.ThrowIfRequested(
                    "Interrupted before all instances were destroyed. The others are as before. To continue, run 'nvmig destroy' with "
                        + "them.");
                say(step);
            },
            notes.Add)));

        foreach (string note in notes)
            Terminal.WriteError(note);
        if (failure is not null)
            Terminal.WriteError(failure.Message);
        int exitCode = Readings.Finish(found);
        if (machine.Json)
        {
            Documents.Print(new DestroyDocument(
                [.. found.Select(on => on.Value?.ToEntry()
                    ?? new DestroyedEntry(on.Gpu.Index, null, [], [], [], ErrorEntry.FromOptional(on.Error)))],
                ErrorEntry.FromOptional(failure ?? Readings.FirstError(found))));
        }
        else
        {
            foreach (DestroyWork on in work)
                Terminal.WriteLine(on.Summary());
            if (work.Any(on => on.HasDestroyed))
                LayoutView.ShowReadable(work.Select(on => (Func<Layout>)on.ReadLayout));
        }

        return failure is null ? exitCode : ExitCodes.For(failure);
    }
}
