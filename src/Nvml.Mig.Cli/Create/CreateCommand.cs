using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.List;
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
        List<CreateWork> work = [.. machine.GpusToChange()
            .Select(gpu => new CreateWork(gpu, [.. requests.Select(r => PlacedRequest.On(gpu, r))], withCompute))];
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
                foreach (CreateWork on in work.Where(_ => enableMig))
                    on.EnableMig(Begin);
                foreach (CreateWork on in work)
                    on.Create(Begin);
            }
            catch (Exception e) when (e is NvmlException or OperationCanceledException)
            {
                failure = e;
            }

            void Begin(string step)
            {
                interruption.ThrowIfRequested(
                    "Interrupted before all instances were created. Those that were created stay. To continue, run 'nvmig create' with "
                        + "those that "
                    + "were not tried, or 'nvmig apply' with the whole layout; to undo it, run 'nvmig destroy'.");
                say(step);
            }
        });

        // The changes done come first, from memory, since the driver may fail again.
        if (failure is not null)
        {
            Terminal.WriteError(failure.Message);
            foreach (CreateWork on in work)
                Terminal.WriteError(on.Summary());
        }

        if (machine.Json)
            Documents.Print(new CreateDocument([.. work.Select(on => on.ToEntry(failure is not null))], ErrorEntry.FromOptional(failure)));
        else
            LayoutView.ShowReadable(work.Select(on => on.Gpu));
        return failure is null ? ExitCodes.Success : ExitCodes.For(failure);
    }
}
