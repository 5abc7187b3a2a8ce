using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Applying;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>How the instances that are there are treated, for the commands that plan.</summary>
internal static class InstanceOptions
{
    public static readonly Option<int[]> ForceInUse = new("--force-in-use")
    {
        Description = "GPU instances, by id, that may be destroyed or changed even if they are in use, once their processes end; on the "
            + "one GPU that -i names.",
        HelpName = "ID",
        AllowMultipleArgumentsPerToken = true,
    };

    public static readonly Option<string[]> Keep = new("--keep")
    {
        Description = "GPU instances to keep as they are, in use or not: by id on the one GPU of -i, or by the UUID of a MIG device.",
        HelpName = "INSTANCE",
        AllowMultipleArgumentsPerToken = true,
        Validators = { Typos.RefuseOptions },
    };

    public static readonly Option<bool> Evict = new("--evict")
    {
        Description = "For a change without room, such as +2g.20gb: destroy the fewest idle instances that make room.",
    };

    public static void AddTo(Command command)
    {
        command.Add(ForceInUse);
        command.Add(Keep);
        command.Add(Evict);
    }

    public static bool AreGiven(ParseResult parsed) =>
        parsed.GetValue(ForceInUse) is { Length: > 0 } || parsed.GetValue(Keep) is { Length: > 0 } || parsed.GetValue(Evict);

    /// <summary>The targets with the instances that the command line names.</summary>
    /// <exception cref="UsageException">An id does not say of which GPU it is.</exception>
    /// <exception cref="NvmlNotFoundException">There is no such MIG device.</exception>
    public static IReadOnlyList<GpuTarget> Complete(ParseResult parsed, Machine machine, IReadOnlyList<GpuTarget> targets)
    {
        int[] forced = parsed.GetValue(ForceInUse) ?? [];
        if (forced.Length > 0 && targets.Count != 1)
            throw new UsageException("--force-in-use names instances of one GPU: select it with -i.");
        ILookup<int, int> kept = ReadKept(parsed, machine, targets);
        bool evict = parsed.GetValue(Evict);
        return [.. targets.Select(target => target with
        {
            AllowInUse = forced,
            Keep = [.. kept[target.Gpu.Index].Distinct()],
            EvictIdle = evict,
        })];
    }

    /// <summary>The ids of the GPU instances to keep, by the index of their GPU.</summary>
    private static ILookup<int, int> ReadKept(ParseResult parsed, Machine machine, IReadOnlyList<GpuTarget> targets)
    {
        return (parsed.GetValue(Keep) ?? []).Select(Find).ToLookup(found => found.Gpu, found => found.Id);

        (int Gpu, int Id) Find(string name)
        {
            if (name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase))
            {
                MigDevice device = machine.Session.GetMigDevice(name);
                return (device.Device.Index, device.GpuInstanceId);
            }

            if (!int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int id))
                throw new UsageException($"--keep: '{name}' is not an instance: write 2 for GPU instance 2, or the UUID of a MIG device.");
            return targets.Count == 1
                ? (targets[0].Gpu.Index, id)
                : throw new UsageException($"--keep {id} is an instance of one GPU: select it with -i, or name the UUID of a MIG device.");
        }
    }
}
