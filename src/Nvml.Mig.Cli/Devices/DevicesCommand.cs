using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Devices;

/// <summary><c>nvmig devices</c>: lists the GPUs of the machine and their MIG modes.</summary>
internal static class DevicesCommand
{
    public static Command Build()
    {
        Command command = new("devices", "List the GPUs of the machine and their MIG modes, including GPUs without MIG.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        List<Reading<DeviceEntry>> gpus = [.. machine.Gpus().Select(Read)];
        if (machine.Json)
        {
            Documents.Print(new DevicesDocument(
                machine.Session.GetDriverVersion(),
                machine.Session.GetNvmlVersion(),
                machine.Session.LibraryPath,
                [.. gpus.Select(gpu => gpu.Value
                    ?? new DeviceEntry(gpu.Gpu.Index, null, null, null, null, null, null, ErrorEntry.FromOptional(gpu.Error)))],
                ErrorEntry.FromOptional(Readings.FirstError(gpus))));
        }
        else
        {
            Terminal.Write(DeviceTable(gpus));
        }

        return Readings.Finish(gpus, device => device.Notice);
    }

    private static Reading<DeviceEntry> Read(GpuDevice gpu)
    {
        try
        {
            MigMode? mode = gpu.TryGetMigMode();
            DeviceEntry device = new(
                gpu.Index,
                gpu.Name,
                gpu.Uuid,
                gpu.PciBusId,
                mode is not null,
                mode is { } read ? MigModeEntry.From(read) : null,
                mode is { } pending ? PendingMode.Describe(gpu, pending) : null,
                Error: null);
            return new Reading<DeviceEntry>(gpu, device, null);
        }
        catch (NvmlException e)
        {
            return new Reading<DeviceEntry>(gpu, null, e);
        }
    }

    private static TextTable DeviceTable(IEnumerable<Reading<DeviceEntry>> gpus)
    {
        TextTable table = new(">GPU", "Name", "PCI bus id", "MIG", "UUID");
        foreach (Reading<DeviceEntry> gpu in gpus)
        {
            string index = gpu.Gpu.Index.ToString(CultureInfo.InvariantCulture);
            if (gpu.Value is not { } device)
                table.Add(index, gpu.Error!.Code.ToString(), "", "", "");
            else
                table.Add(index, device.Name!, device.PciBusId!, Mode(device), device.Uuid!);
        }

        return table;
    }

    private static string Mode(DeviceEntry device) =>
        device.Mig is { } mig ? new MigMode(mig.Current, mig.Pending).ToString() : "not supported";
}
