using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Placements;

/// <summary><c>nvmig placements</c>: lists the possible placements of each profile.</summary>
internal static class PlacementsCommand
{
    public static Command Build()
    {
        Command command = new("placements", "List the possible placements of each GPU instance profile, as start:size in memory slices.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        IReadOnlyList<Reading<GpuPlacementsEntry>> gpus = machine.ReadEach((gpu, mode) => new GpuPlacementsEntry(
            gpu.Index,
            gpu.Uuid,
            [.. gpu.GetGpuInstanceProfiles().Select(p => new ProfilePlacementsEntry(
                p.Id, p.Name, [.. gpu.GetPossiblePlacements(p).Select(PlacementEntry.From)]))],
            MigModeEntry.From(mode),
            PendingMode.Describe(gpu, mode),
            Error: null));
        if (machine.Json)
        {
            Documents.Print(new PlacementsDocument(
                [.. gpus.Select(gpu => gpu.Value
                    ?? new GpuPlacementsEntry(gpu.Gpu.Index, null, null, null, null, ErrorEntry.FromOptional(gpu.Error)))],
                ErrorEntry.FromOptional(Readings.FirstError(gpus))));
            return Readings.Finish(gpus, gpu => gpu.Notice);
        }

        TextTable table = new(">GPU", "Profile", ">Id", "Placements");
        foreach (Reading<GpuPlacementsEntry> gpu in gpus)
        {
            foreach (ProfilePlacementsEntry profile in gpu.Value?.Profiles ?? [])
            {
                table.Add(
                    gpu.Gpu.Index.ToString(CultureInfo.InvariantCulture),
                    profile.Name,
                    profile.Id.ToString(CultureInfo.InvariantCulture),
                    string.Join("  ", profile.Placements.Select(p => new Placement(p.Start, p.Size).ToString())));
            }
        }

        Terminal.Write(table);
        return Readings.Finish(gpus, gpu => gpu.Notice);
    }
}
