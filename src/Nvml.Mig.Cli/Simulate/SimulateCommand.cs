using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Arguments;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Cli.Simulate;

/// <summary><c>nvmig simulate</c>: manages simulated machines.</summary>
internal static class SimulateCommand
{
    public static Command Build()
    {
        Command reset = new(
            "reset",
            "Reset simulated machines: the one that --simulate or NVML_STUB_STATE names, otherwise all of this user.");
        reset.SetAction(parsed => Reset(parsed.GetValue(GlobalOptions.Simulate), parsed.GetValue(GlobalOptions.Json)));
        Command models = new("models", "List the GPU models that can be simulated, and the source of each.");
        models.SetAction(parsed => ListModels(parsed.GetValue(GlobalOptions.Json)));
        return new Command("simulate", "Manage simulated machines.") { reset, models };
    }

    private static int ListModels(bool json)
    {
        IReadOnlyList<SimulatedModel> models = NvmlSimulator.Models;
        if (json)
        {
            Documents.Print(new ModelsDocument(models, Error: null));
            return ExitCodes.Success;
        }

        TextTable table = new("Model", ">MiB", ">BAR1 MiB", "MIG", "Known from");
        foreach (SimulatedModel model in models.Where(m => m.IsSimulated))
        {
            string memory = Size(model.MemoryMiB, model.IsMemoryDerived);
            string bar1 = Size(model.Bar1MiB, model.IsBar1Derived);
            table.Add(model.Key, memory, bar1, model.HasMig ? "yes" : "no", model.Note);
        }

        Terminal.Write(table);
        Terminal.WriteLine("* derived: no session on such a board shows it.");
        Terminal.WriteLine("Not simulated, since too little is known of them:");
        foreach (SimulatedModel model in models.Where(m => !m.IsSimulated))
            Terminal.WriteLine($"  {model.Key}: {model.Note}");
        return ExitCodes.Success;
    }

    private static string Size(int? mebibytes, bool isDerived) =>
        mebibytes is { } size ? string.Create(CultureInfo.InvariantCulture, $"{size}{(isDerived ? "*" : "")}") : "?";

    private static int Reset(string? spec, bool json)
    {
        string[] files = spec is not null ? [SimulatedMachines.FileFor(spec)]
            : SimulatedMachines.FileFromEnvironment is { } file ? [file]
            : SimulatedMachines.AllFiles();
        string[] present = [.. files.Where(File.Exists)];
        foreach (string path in present)
        {
            SimulatedMachines.Reset(path, spec);
            if (!json)
                Terminal.WriteLine($"Reset {path}.");
        }

        if (json)
            Documents.Print(new ResetDocument(present, Error: null));
        else if (present.Length == 0)
            Terminal.WriteLine("There is no simulated machine to reset.");
        return ExitCodes.Success;
    }
}
