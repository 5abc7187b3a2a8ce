using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Apply;
using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Cli.Slurm;

/// <summary><c>nvmig slurm config</c>: prints what Slurm has to know of this node, and the scripts that it is to call.</summary>
internal static class ConfigCommand
{
    private static readonly Option<string?> NodeName = new("--node")
    {
        Description = "The node's name in Slurm. By default the host's.",
        HelpName = "NAME",
    };

    private static readonly Option<string> Scripts = new("--scripts")
    {
        Description = "The folder of the scripts. By default /etc/slurm.",
        HelpName = "DIR",
        DefaultValueFactory = _ => "/etc/slurm",
    };

    private static readonly Option<string?> Only = new("--only")
    {
        Description = "Print one file alone: gres.conf, slurm.conf, prolog, task-prolog or epilog.",
        HelpName = "FILE",
    };

    public static Command Build()
    {
        Command command = new(
            "config",
            "Print lines for gres.conf and slurm.conf, which count the compute slices of this node, and Slurm's scripts. Options of the "
                + "prolog go into its script.")
        {
            NodeName,
            Scripts,
            Only,
            ClaimArguments.Queue,
            PrologCommand.Wait,
            SlurmCommand.Folder,
            ApplyArguments.JournalFolder,
        };
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine)
    {
        bool countsWhole = CountsWholeGpus(parsed, machine);
        List<Reading<SlurmGpuEntry>> gpus = [.. machine.Gpus().Select(gpu => Read(gpu, countsWhole))];
        int slices = gpus.Sum(gpu => gpu.Value?.Slices ?? 0);
        if (slices == 0 && Readings.FirstError(gpus) is null)
        {
            throw new NvmlNotSupportedException(
                NvmlReturnCode.NotSupported, "nvmlDeviceGetMigMode", "No GPU has MIG enabled, so there are no slices. Run 'nvmig enable'.");
        }

        SlurmFiles files = new(
            parsed.GetValue(NodeName) ?? Environment.MachineName.Split('.')[0],
            slices,
            parsed.GetValue(Scripts)!,
            SlurmScriptOptions.Read(parsed));
        if (machine.Json)
        {
            Documents.Print(new SlurmConfigDocument(
                files.Node,
                slices,
                [.. gpus.Select(g => g.Value ?? new SlurmGpuEntry(g.Gpu.Index, null, 0, null, ErrorEntry.FromOptional(g.Error)))],
                files.All,
                ErrorEntry.FromOptional(Readings.FirstError(gpus))));
        }
        else if (parsed.GetValue(Only) is { } only)
        {
            Terminal.WriteLines(files.Find(only).Text);
        }
        else
        {
            Print(gpus, files);
        }

        return Readings.Finish(gpus);
    }

    private static void Print(List<Reading<SlurmGpuEntry>> gpus, SlurmFiles files)
    {
        SlurmGpuEntry[] read = [.. gpus.Select(g => g.Value).OfType<SlurmGpuEntry>()];
        foreach (IGrouping<(string?, int), SlurmGpuEntry> alike in read.Where(g => g.Slices > 0).GroupBy(g => (g.Name, g.Slices)))
        {
            (string? name, int slices) = alike.Key;
            Terminal.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"# {alike.Count()} x {name}, of {slices} compute slices"));
        }

        foreach (SlurmGpuEntry gpu in read.Where(g => g.LeftOut is not null))
            Terminal.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# Left out: GPU {gpu.Index}, {gpu.Name}. {gpu.LeftOut}"));
        foreach (NvmlException error in gpus.Select(g => g.Error).OfType<NvmlException>())
            Terminal.WriteLine($"# Left out: {error.Message}");
        foreach (SlurmFileEntry file in files.All)
        {
            Terminal.WriteLine();
            Terminal.WriteLine(file.IsScript ? $"# {file.Path}: this script (mode 755)" : $"# {file.Path}: these lines");
            Terminal.WriteLines(file.Text);
        }
    }

    private static Reading<SlurmGpuEntry> Read(GpuDevice gpu, bool countsWhole)
    {
        try
        {
            SlurmGpuEntry LeftOut(string why) => new(gpu.Index, gpu.Name, 0, why, null);
            return new Reading<SlurmGpuEntry>(
                gpu,
                gpu.TryGetMigMode() switch
                {
                    { Current: true } => new SlurmGpuEntry(gpu.Index, gpu.Name, JobCover.CountSlices(gpu.ReadGeometry()), null, null),
                    _ when countsWhole => new SlurmGpuEntry(gpu.Index, gpu.Name, JobCover.WholeGpuSlices, null, null),
                    null => LeftOut("It has no MIG. To lease it whole and in fractions: nvmig lease policy --whole-gpus true"),
                    _ => LeftOut(string.Create(CultureInfo.InvariantCulture, $"MIG is disabled. To count it: nvmig enable -i {gpu.Index}")),
                },
                null);
        }
        catch (NvmlException e)
        {
            return new Reading<SlurmGpuEntry>(gpu, null, e);
        }
    }

    /// <summary>Whether GPUs with MIG disabled are leased. Where nothing is leased yet, or nobody may look, they are not.</summary>
    private static bool CountsWholeGpus(ParseResult parsed, Machine machine)
    {
        try
        {
            using ILeases? agent = LeaseRun.FindAgent(parsed, machine);
            if (agent is not null)
                return agent.ReadAsync(usage: false, CancellationToken.None).GetAwaiter().GetResult().Policy.WholeGpus;
            using LeaseReader book = LeaseReader.Open(
                new LeaseOptions { JournalFolder = ApplyArguments.GetJournalFolder(parsed, machine) });
            return book.Read().Policy.WholeGpus;
        }
        catch (LeaseException)
        {
            return false;
        }
    }
}
