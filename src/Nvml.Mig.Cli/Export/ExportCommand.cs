using System.CommandLine;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Export;

/// <summary><c>nvmig export</c>: prints the layout of each GPU as <c>apply</c> takes it, as text or as a file.</summary>
internal static class ExportCommand
{
    private const string Ours = "nvmig";
    private const string MigParted = "mig-parted";

    private static readonly Option<string?> Format = new("--format")
    {
        Description =
            $"Print a layout file: {Ours} for our own format, with placements, or {MigParted} for mig-parted's, without. 'apply -f' "
                + "takes both.",
        HelpName = "FORMAT",
    };

    private static readonly Option<string?> Label = new("--label")
    {
        Description = "With --format: the label of the layout in the file; by default current.",
        HelpName = "LABEL",
    };

    public static Command Build()
    {
        Command command = new(
            "export", "Print the layout of each GPU, placements included, as an argument for 'apply', or with --format as a file for it.")
        {
            Format,
            Label,
        };
        Format.AcceptOnlyFromAmong(Ours, MigParted);
        command.SetAction(parsed => Machine.Run(parsed, machine => Run(parsed, machine)));
        return command;
    }

    private static int Run(ParseResult parsed, Machine machine)
    {
        string? format = parsed.GetValue(Format);
        if (format is not null && machine.Json)
            throw new UsageException("--format prints a layout file, which is YAML: it cannot be used with --json.");
        if (format is null && parsed.GetValue(Label) is not null)
            throw new UsageException("--label is the label of a layout in a file: it needs --format.");
        return format is null
            ? Print(machine)
            : PrintFile(
                machine, parsed.GetValue(Label) ?? "current", format == Ours ? LayoutFileFormat.Nvmig : LayoutFileFormat.MigParted);
    }

    private static int Print(Machine machine)
    {
        IReadOnlyList<Reading<MigModeEntry>> modes = machine.ReadEach((_, mode) => MigModeEntry.From(mode));
        Dictionary<int, GpuSnapshotResult> snapshots = ReadSnapshots(modes.Where(m => m.Value is { Current: true }).Select(m => m.Gpu));
        ExportEntry[] layouts = [.. modes.Select(read => ToEntry(read, snapshots.GetValueOrDefault(read.Gpu.Index)))];
        ExportEntry? failed = Array.Find(layouts, layout => layout.Error is not null);
        foreach (ExportEntry unread in layouts.Where(layout => layout.Error is not null))
            Terminal.WriteError($"GPU {unread.Index}: {unread.Error!.Message}");
        if (machine.Json)
        {
            Documents.Print(new ExportDocument(layouts, failed?.Error));
        }
        else
        {
            foreach (ExportEntry layout in layouts.Where(layout => layout.Error is null))
                Terminal.WriteLine($"GPU {layout.Index}: {layout.Layout ?? "MIG disabled"}");
        }

        return ExitCodeOf(modes.Select(m => m.Error).Concat(snapshots.Values.Select(s => s.Error)));
    }

    /// <summary>GPUs that cannot be divided too, as in mig-parted's exports: its assert demands an entry for every GPU.</summary>
    private static int PrintFile(Machine machine, string label, LayoutFileFormat format)
    {
        List<(GpuDevice Gpu, GpuIdentity Identity)> known = [];
        List<(GpuDevice Gpu, Exception Error)> unread = [];
        foreach (GpuDevice gpu in machine.Gpus())
        {
            try
            {
                known.Add((gpu, GpuIdentity.From(gpu)));
            }
            catch (NvmlException e)
            {
                unread.Add((gpu, e));
            }
        }

        Dictionary<int, GpuSnapshotResult> snapshots = ReadSnapshots(known.Where(k => k.Identity.IsMigCapable).Select(k => k.Gpu));
        unread.AddRange(snapshots.Values.Where(s => s.Error is not null).Select(s => (s.Gpu, s.Error!)));
        foreach ((GpuDevice gpu, Exception error) in unread)
            Terminal.WriteError($"GPU {gpu.Index}: {error.Message}");
        ResolvedGpu[] gpus = [.. known
            .Select(k => (k.Identity, Read: snapshots.GetValueOrDefault(k.Gpu.Index)))
            .Where(k => k.Read?.Error is null)
            .Select(k => new ResolvedGpu(
                k.Identity, k.Read?.Snapshot is { Mode.Current: true } divided ? LayoutSpec.For(divided) : null))];
        if (gpus.Length > 0)
            Terminal.WriteLines(LayoutFile.For(label, gpus, format).ToString());
        else if (unread.Count == 0)
            throw new NvmlNotFoundException(NvmlReturnCode.NotFound, "nvmlDeviceGetCount_v2", "This machine has no NVIDIA GPU.");
        return ExitCodeOf(unread.Select(u => u.Error));
    }

    /// <summary>The users of instances are no part of a layout.</summary>
    private static Dictionary<int, GpuSnapshotResult> ReadSnapshots(IEnumerable<GpuDevice> gpus) =>
        GpuDevice.ReadSnapshots(gpus, SnapshotParts.Geometry).ToDictionary(read => read.Gpu.Index);

    private static ExportEntry ToEntry(Reading<MigModeEntry> read, GpuSnapshotResult? snapshot)
    {
        Exception? error = read.Error ?? snapshot?.Error;
        return error is not null
            ? new ExportEntry(read.Gpu.Index, null, null, null, null, ErrorEntry.From(error))
            : new ExportEntry(
                read.Gpu.Index,
                Readings.TryRead(() => read.Gpu.Uuid),
                Readings.TryRead(() => read.Gpu.Name),
                read.Value,
                snapshot?.Snapshot is { } divided ? LayoutSpec.For(divided).ToString() : null,
                Error: null);
    }

    private static int ExitCodeOf(IEnumerable<Exception?> errors) =>
        errors.FirstOrDefault(error => error is not null) is { } first ? ExitCodes.For(first) : ExitCodes.Success;
}
