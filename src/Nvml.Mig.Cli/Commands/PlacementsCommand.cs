using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Output;
using Spectre.Console;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig placements</c>: where instances of each profile can stand.</summary>
internal static class PlacementsCommand
{
    public static Command Build()
    {
        Command command = new("placements", "List where GPU instances of each profile can stand, as start:size in memory slices.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        List<GpuPlacementsEntry> gpus = [.. machine.MigCapableGpus().Select(gpu => new GpuPlacementsEntry(
            gpu.Index,
            gpu.Uuid,
            [.. gpu.GetGpuInstanceProfiles().Select(p => new ProfilePlacementsEntry(
                p.Id, p.Name, [.. gpu.GetPossiblePlacements(p).Select(PlacementEntry.From)]))]))];
        if (machine.Json)
        {
            Documents.Print(new PlacementsDocument(gpus));
            return ExitCodes.Success;
        }

        Table table = new Table().Border(TableBorder.Rounded).AddColumns(
            new TableColumn("GPU").RightAligned(), new TableColumn("Profile"), new TableColumn("Id").RightAligned(), new TableColumn("Placements"));
        foreach (GpuPlacementsEntry gpu in gpus)
        {
            foreach (ProfilePlacementsEntry profile in gpu.Profiles)
            {
                table.AddRow(
                    gpu.Index.ToString(CultureInfo.InvariantCulture),
                    profile.Name,
                    profile.Id.ToString(CultureInfo.InvariantCulture),
                    string.Join("  ", profile.Placements.Select(p => new Placement(p.Start, p.Size).ToString())));
            }
        }

        machine.Out.Write(table);
        return ExitCodes.Success;
    }
}
