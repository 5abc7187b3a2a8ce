using System.CommandLine;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Layouts;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig export</c>: the layout of each GPU as text that <c>apply</c> takes.</summary>
internal static class ExportCommand
{
    public static Command Build()
    {
        Command command = new("export", "Print how each GPU is divided, placements included, in the words that 'apply' takes.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        IReadOnlyList<GpuDevice> gpus = machine.GpusToChange();
        ExportEntry[] layouts = [.. GpuReader.ReadStates(gpus).Select((state, i) =>
        {
            MigMode mode = gpus[i].GetMigMode();
            return new ExportEntry(gpus[i].Index, gpus[i].Uuid, gpus[i].Name, MigModeEntry.From(mode), mode.Current ? Wish.For(state).ToString() : null);
        })];
        if (machine.Json)
        {
            Documents.Print(new ExportDocument(layouts));
        }
        else
        {
            foreach (ExportEntry layout in layouts)
                Console.Out.WriteLine($"GPU {layout.Index}: {layout.Layout switch { null => "MIG disabled", "" => "empty", { } wish => wish }}");
        }

        return ExitCodes.Success;
    }
}
