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
        IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
        (GpuDevice Gpu, MigMode Mode, LayoutSpec Layout)[] read = [.. GpuDevice.ReadSnapshots(gpus)
            .Select(r => r.GetSnapshotOrThrow())
            .Zip(gpus, (snapshot, gpu) => (gpu, snapshot.Mode, LayoutSpec.For(snapshot)))];
        if (format is not null)
        {
            // GPUs that cannot be divided too, as in mig-parted's exports: its assert demands an entry for every GPU.
            Dictionary<int, LayoutSpec?> layoutOf = read.ToDictionary(r => r.Gpu.Index, r => r.Mode.Current ? r.Layout : null);
            Terminal.WriteLines(LayoutFile.For(
                parsed.GetValue(Label) ?? "current",
                machine.Gpus().Select(gpu => new ResolvedGpu(GpuIdentity.From(gpu), layoutOf.GetValueOrDefault(gpu.Index))),
                format == Ours ? LayoutFileFormat.Nvmig : LayoutFileFormat.MigParted).ToString());
            return ExitCodes.Success;
        }

        ExportEntry[] layouts = [.. read.Select(r =>
            new ExportEntry(
                r.Gpu.Index, r.Gpu.Uuid, r.Gpu.Name, MigModeEntry.From(r.Mode), r.Mode.Current ? r.Layout.ToString() : null, Error: null))];
        if (machine.Json)
        {
            Documents.Print(new ExportDocument(layouts, Error: null));
        }
        else
        {
            foreach (ExportEntry layout in layouts)
                Terminal.WriteLine(
                    $"GPU {layout.Index}: {layout.Layout switch { null => "MIG disabled", "" => "empty", { } text => text }}");
        }

        return ExitCodes.Success;
    }
}
