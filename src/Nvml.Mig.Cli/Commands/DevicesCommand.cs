using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Output;
using Spectre.Console;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig devices</c>: the GPUs of the machine and their MIG modes.</summary>
internal static class DevicesCommand
{
    public static Command Build()
    {
        Command command = new("devices", "List the machine's GPUs and their MIG modes, those without MIG included.");
        command.SetAction(parsed => Machine.Run(parsed, Run));
        return command;
    }

    private static int Run(Machine machine)
    {
        List<DeviceEntry> gpus = [.. machine.Gpus().Select(Describe)];
        if (machine.Json)
        {
            Documents.Print(new DevicesDocument(
                machine.Session.GetDriverVersion(), machine.Session.GetNvmlVersion(), machine.Session.LibraryPath, gpus));
        }
        else
        {
            machine.Out.Write(DeviceTable(gpus));
        }

        ErrorEntry? first = gpus.Select(gpu => gpu.Error).FirstOrDefault(error => error is not null);
        if (first is null)
            return ExitCodes.Success;
        foreach (ErrorEntry error in gpus.Select(gpu => gpu.Error).OfType<ErrorEntry>())
            Machine.Report(error.Message);
        return ExitCodes.For((NvmlReturnCode)first.Code);
    }

    /// <summary>A GPU that does not answer is a row like the others: what is wrong with it must not hide them.</summary>
    private static DeviceEntry Describe(GpuDevice gpu)
    {
        try
        {
            bool capable = gpu.IsMigCapable();
            return new DeviceEntry(
                gpu.Index, gpu.Name, gpu.Uuid, gpu.PciBusId, capable, capable ? MigModeEntry.From(gpu.GetMigMode()) : null, Error: null);
        }
        catch (NvmlException e)
        {
            return new DeviceEntry(gpu.Index, null, null, null, null, null, ErrorEntry.From(e));
        }
    }

    private static Table DeviceTable(IEnumerable<DeviceEntry> gpus)
    {
        Table table = new Table().Border(TableBorder.Rounded).AddColumns(
            new TableColumn("GPU").RightAligned(), new TableColumn("Name"), new TableColumn("PCI bus id"), new TableColumn("MIG"), new TableColumn("UUID"));
        foreach (DeviceEntry gpu in gpus)
        {
            string mode = gpu switch
            {
                { Error: { } error } => error.Name,
                { Mig: { } mig } => new MigMode(mig.Current, mig.Pending).ToString(),
                _ => "not supported",
            };
            table.AddRow(
                gpu.Index.ToString(CultureInfo.InvariantCulture), Markup.Escape(gpu.Name ?? "?"), gpu.PciBusId ?? "?", mode, gpu.Uuid ?? "?");
        }

        return table;
    }
}
