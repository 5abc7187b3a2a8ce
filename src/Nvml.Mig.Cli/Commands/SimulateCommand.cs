using System.CommandLine;
using System.Globalization;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Simulator;
using Spectre.Console;

namespace Nvml.Mig.Cli.Commands;

/// <summary><c>nvmig simulate</c>: the simulated machines themselves.</summary>
internal static class SimulateCommand
{
    public static Command Build()
    {
        Command reset = new(
            "reset",
            "Make simulated machines new again: the one that --simulate or NVML_STUB_STATE names, else all of this user's.");
        reset.SetAction(parsed => Reset(parsed.GetValue(GlobalOptions.Simulate), parsed.GetValue(GlobalOptions.Json)));
        Command models = new("models", "List the GPU models that can be simulated, and how well they are known.");
        models.SetAction(parsed => ListModels(parsed.GetValue(GlobalOptions.Json)));
        return new Command("simulate", "Look after simulated machines.") { reset, models };
    }

    private static int ListModels(bool json)
    {
        IReadOnlyList<SimulatedModel> models = NvmlSimulator.Models;
        if (json)
        {
            Documents.Print(new ModelsDocument(models, Error: null));
            return ExitCodes.Success;
        }

        IAnsiConsole console = Machine.CreateConsole();
        Table table = Tables.Create(console, "Model", ">MiB", ">BAR1 MiB", "MIG", "Known from");
        foreach (SimulatedModel model in models.Where(m => m.IsSimulated))
        {
            string memory = Size(model.MemoryMiB, model.IsMemoryDerived);
            string bar1 = Size(model.Bar1MiB, model.IsBar1Derived);
            table.AddRow(model.Key, memory, bar1, model.HasMig ? "yes" : "no", Markup.Escape(model.Note));
        }

        Tables.Print(console, table);
        console.WriteLine("* derived: no session on such a board shows it.");
        console.WriteLine("Not simulated, since too little is known of them:");
        foreach (SimulatedModel model in models.Where(m => !m.IsSimulated))
            console.WriteLine($"  {model.Key}: {model.Note}");
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
                Console.Out.WriteLine($"Reset {path}.");
        }

        if (json)
            Documents.Print(new ResetDocument(present, Error: null));
        else if (present.Length == 0)
            Console.Out.WriteLine("There is no simulated machine yet: nothing to reset.");
        return ExitCodes.Success;
    }
}
