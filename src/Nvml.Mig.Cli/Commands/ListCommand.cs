using System.CommandLine;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig list</c>: the instances, as a table and a picture.</summary>
internal static class ListCommand
{
    public static Command Build()
    {
        Command command = new("list", "List the GPU instances, compute instances and MIG devices, and draw where they stand.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        List<Layout> layouts = [.. machine.MigCapableGpus().Select(Layout.Read)];
        if (machine.Json)
            Documents.Print(new ListDocument([.. layouts.Select(layout => layout.ToEntry())]));
        else
            LayoutView.Show(machine.Out, layouts);
        return ExitCodes.Success;
    }
}
