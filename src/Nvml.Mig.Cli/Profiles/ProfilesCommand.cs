using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Profiles;

/// <summary><c>nvmig profiles</c>: lists the GPU instance profiles, and the room for each.</summary>
internal static class ProfilesCommand
{
    public static Command Build()
    {
        Command command = new("profiles", "List the GPU instance profiles, their sizes, and the room for further instances.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        IReadOnlyList<Reading<GpuProfilesEntry>> gpus = machine.ReadEach((gpu, mode) => new GpuProfilesEntry(
            gpu.Index,
            gpu.Uuid,
            [.. gpu.GetGpuInstanceProfiles().Select(p => new ProfileEntry(
                p.Id,
                p.Name,
                p.Number,
                gpu.GetRemainingCapacity(p),
                p.MaxInstances,
                p.SliceCount,
                p.MemoryMiB,
                p.MultiprocessorCount,
                p.CopyEngineCount,
                p.DecoderCount,
                p.EncoderCount,
                p.JpegCount,
                p.OfaCount,
                p.SupportsP2P))],
            MigModeEntry.From(mode),
            PendingMode.Describe(gpu, mode),
            Error: null));
        if (machine.Json)
        {
            Documents.Print(new ProfilesDocument(
                [.. gpus.Select(gpu => gpu.Value
                    ?? new GpuProfilesEntry(gpu.Gpu.Index, null, null, null, null, ErrorEntry.FromOptional(gpu.Error)))],
                ErrorEntry.FromOptional(Readings.FirstError(gpus))));
        }
        else
        {
            Terminal.Write(ProfileTable(gpus.Select(gpu => gpu.Value).OfType<GpuProfilesEntry>()));
        }

        return Readings.Finish(gpus, gpu => gpu.Notice);
    }

    private static TextTable ProfileTable(IEnumerable<GpuProfilesEntry> gpus)
    {
        TextTable table = new(
            ">GPU", "Profile", ">Id", ">Free", ">Total", ">Slices", ">GiB", ">SM", ">CE", ">DEC", ">ENC", ">JPEG", ">OFA", "P2P");
        foreach (GpuProfilesEntry gpu in gpus)
        {
            foreach (ProfileEntry p in gpu.Profiles ?? [])
            {
                string[] numbers = [.. ((int[])[p.Id, p.Free, p.Total, p.Slices]).Select(Number)];
                string[] engines = [.. ((int[])[p.Multiprocessors, p.CopyEngines, p.Decoders, p.Encoders, p.Jpegs, p.Ofas]).Select(Number)];
                // Half to even, as printf of C and so nvidia-smi: 19.62, not 19.63.
                string memory = Math.Round(p.MemoryMiB / 1024.0, 2, MidpointRounding.ToEven).ToString("0.00", CultureInfo.InvariantCulture);
                table.Add([Number(gpu.Index), p.Name, .. numbers, memory, .. engines, p.P2P ? "yes" : "no"]);
            }
        }

        return table;
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
