using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Cdi;

/// <summary><c>nvmig cdi</c>: prints the MIG devices as a specification for container runtimes.</summary>
internal static class CdiCommand
{
    private static readonly Argument<string[]> Devices = new("devices")
    {
        Description = "The MIG devices, by UUID; by default all of them.",
        HelpName = "MIG-UUID",
        Arity = ArgumentArity.ZeroOrMore,
        Validators = { Typos.RefuseOptions },
    };

    private static readonly Option<string?> OutputFile = new("--output", "-o")
    {
        Description =
            "Write to this file, which must end in .json, in one step, and not to standard output. Runtimes read /etc/cdi and "
                + "/var/run/cdi.",
        HelpName = "FILE",
    };

    public static Command Build()
    {
        Command command = new(
            "cdi", "Print the MIG devices as a specification (CDI, JSON) for container runtimes, without the driver's libraries.")
        {
            Devices,
            OutputFile,
            HostOption.Root,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(
            machine, parsed.GetValue(Devices) ?? [], parsed.GetValue(OutputFile), HostOption.GetRoot(parsed))));
        return command;
    }

    private static int Run(Machine machine, string[] names, string? output, HostRoot root)
    {
        // Runtimes ignore files with other names.
        if (output is not null && !output.EndsWith(".json", StringComparison.Ordinal))
            throw new UsageException($"--output '{output}' does not end in .json: container runtimes do not read it.");
        IReadOnlyList<Reading<IReadOnlyList<MigDevice>>> found = names.Length > 0 ? [] : machine.Prepare((gpu, _) => gpu.GetMigDevices());
        MigDevice[] devices = names.Length > 0 ? [.. Find(machine, names)] : [.. found.SelectMany(gpu => gpu.Value ?? [])];
        if (devices.Length == 0)
        {
            // A GPU that does not answer may have some.
            throw Readings.FirstError(found) ?? new NvmlNotFoundException(
                NvmlReturnCode.NotFound,
                "nvmlDeviceGetMigDeviceHandleByIndex",
                "There is no MIG device, and a specification needs one (NVML_ERROR_NOT_FOUND, 6). Create instances with 'nvmig create' "
                    + "first.");
        }

        try
        {
            MigMinors minors = machine.IsSimulated && !File.Exists(root.Locate(MigMinors.FilePath))
                ? MigMinors.Known
                : MigMinors.Read(root);
            MigDeviceAccess[] all = [.. devices.Select(device => MigDeviceAccess.Find(device, minors, root))];
            string specification = CdiSpecification.Create(all);
            if (output is null)
                Terminal.WriteLines(specification + "\n");
            else
                Save(output, specification);
            string[] missing = [.. all
                .SelectMany(device => device.DeviceNodes.Concat(device.SharedDeviceNodes))
                .Where(node => !node.Exists)
                .Select(node => node.Path)
                .Distinct(StringComparer.Ordinal)];
            if (missing.Length > 0)
                Terminal.WriteError(
                    $"Warning: these device nodes do not exist, and containers cannot start without them: {string.Join(", ", missing)}.");
            return Readings.Finish(found);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or MigMinorsFormatException or KeyNotFoundException)
        {
            throw new NvmlException(NvmlReturnCode.OperatingSystem, "open", e.Message, e);
        }
        catch (InvalidOperationException e)
        {
            throw new NvmlException(NvmlReturnCode.NotReady, "nvmlDeviceGetIndex", e.Message, e);
        }
    }

    private static IEnumerable<MigDevice> Find(Machine machine, string[] arguments)
    {
        string[] names = [.. arguments.SelectMany(argument => argument.Split(',', StringSplitOptions.TrimEntries))];
        if (names.FirstOrDefault(name => !name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase)) is { } wrong)
            throw new UsageException($"'{wrong}' is not the UUID of a MIG device. 'nvmig list' shows the UUIDs.");
        HashSet<int> gpus = [.. machine.Gpus().Select(gpu => gpu.Index)];
        foreach (MigDevice device in names.Select(machine.Session.GetMigDevice))
        {
            yield return gpus.Contains(device.Device.Index)
                ? device
                : throw new UsageException($"{device.Uuid} is on {device.Device}, which --gpu does not select.");
        }
    }

    private static void Save(string file, string specification)
    {
        string full = Path.GetFullPath(file);
        PassableFolder.Create(Path.GetDirectoryName(full)!);
        CdiSpecification.Save(full, specification);
    }
}
