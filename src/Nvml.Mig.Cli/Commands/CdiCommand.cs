using System.CommandLine;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig cdi</c>: the MIG devices as a specification for container runtimes.</summary>
internal static class CdiCommand
{
    private static readonly Argument<string[]> Devices = new("devices")
    {
        Description = "The MIG devices, by UUID. Without any, all of them.",
        HelpName = "MIG-UUID",
        Arity = ArgumentArity.ZeroOrMore,
        Validators = { Slips.RefuseOptions },
    };

    private static readonly Option<string?> OutputFile = new("--output", "-o")
    {
        Description = "Write to this file, which must end in .json, in one step, and nothing to standard output. Runtimes read /etc/cdi and /var/run/cdi.",
        HelpName = "FILE",
    };

    public static Command Build()
    {
        Command command = new("cdi", "Print the MIG devices as a specification (CDI, JSON) for container runtimes. The driver's libraries are not in it.")
        {
            Devices,
            OutputFile,
            HostOption.Root,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(
            machine, parsed.GetValue(Devices) ?? [], parsed.GetValue(OutputFile), HostOption.GetRoot(parsed), parsed.GetValue(GlobalOptions.Simulate) is not null)));
        return command;
    }

    private static int Run(Machine machine, string[] names, string? output, HostRoot root, bool isSimulated)
    {
        // Runtimes pass over files of other names; and nothing but a file can be of this one.
        if (output is not null && !output.EndsWith(".json", StringComparison.Ordinal))
            throw new UsageException($"--output '{output}' does not end in .json: container runtimes would not read it.");
        MigDevice[] devices = [.. Find(machine, names)];
        try
        {
            MigMinors minors = isSimulated && !File.Exists(root.Locate(MigMinors.FilePath)) ? MigMinors.Known : MigMinors.Read(root);
            MigDeviceAccess[] all = [.. devices.Select(device => MigDeviceAccess.Find(device, minors, root))];
            string specification = CdiSpecification.Create(all);
            if (output is null)
                Console.Out.WriteLine(specification);
            else
                Write(output, specification);
            string[] missing =
                [.. all.SelectMany(device => device.DeviceNodes.Concat(device.SharedDeviceNodes)).Where(node => !node.Exists).Select(node => node.Path).Distinct(StringComparer.Ordinal)];
            if (missing.Length > 0)
                Failures.Say($"Warning: containers cannot start before the host has these device nodes, which do not exist: {string.Join(", ", missing)}.");
            return ExitCodes.Success;
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

    /// <summary>The MIG devices that were named, or all. A GPU that does not answer is an error: a specification that lacks devices passes for whole.</summary>
    private static IEnumerable<MigDevice> Find(Machine machine, string[] arguments)
    {
        string[] names = [.. arguments.SelectMany(argument => argument.Split(',', StringSplitOptions.TrimEntries))];
        if (names.FirstOrDefault(name => !name.StartsWith("MIG-", StringComparison.OrdinalIgnoreCase)) is { } wrong)
            throw new UsageException($"'{wrong}' is not the UUID of a MIG device: that is MIG- and 36 characters, as 'nvmig list' shows.");
        if (names.Length > 0)
        {
            HashSet<int> gpus = [.. machine.Gpus().Select(gpu => gpu.Index)];
            foreach (MigDevice device in names.Select(machine.Session.GetMigDevice))
            {
                yield return gpus.Contains(device.Device.Index)
                    ? device
                    : throw new UsageException($"{device.Uuid} is on {device.Device}, which --gpu leaves out.");
            }

            yield break;
        }

        bool any = false;
        foreach (MigDevice device in machine.GpusToChange().SelectMany(gpu => gpu.GetMigDevices()))
        {
            any = true;
            yield return device;
        }

        if (!any)
        {
            throw new NvmlNotFoundException(
                NvmlReturnCode.NotFound,
                "nvmlDeviceGetMigDeviceHandleByIndex",
                "There is no MIG device, and a specification needs one (NVML_ERROR_NOT_FOUND, 6). Create instances with compute instances in them ('nvmig create').");
        }
    }

    /// <summary>Under another name first: runtimes watch the folder, and must not read half a file.</summary>
    private static void Write(string file, string text)
    {
        string full = Path.GetFullPath(file);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        string unfinished = $"{full}.{Environment.ProcessId}.tmp";
        try
        {
            File.WriteAllText(unfinished, text + "\n");
            // Whatever the umask is: rootless runtimes read it too.
            File.SetUnixFileMode(
                unfinished, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.Move(unfinished, full, overwrite: true);
        }
        catch
        {
            File.Delete(unfinished);
            throw;
        }
    }
}
