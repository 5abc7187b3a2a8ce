using System.Text;
using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Planning;
using Nvml.Mig.Tests.Applying;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>A test with NVIDIA's own configuration file of mig-parted, where MIG_PARTED_CONFIG names one.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class MigPartedConfigFactAttribute : FactAttribute
{
    public MigPartedConfigFactAttribute()
    {
        if (string.IsNullOrEmpty(Path))
            Skip = "MIG_PARTED_CONFIG does not name a configuration file of mig-parted (deployments/systemd/config-default.yaml there).";
    }

    public static string? Path => Environment.GetEnvironmentVariable("MIG_PARTED_CONFIG");
}

/// <summary>Every layout of NVIDIA's default file, on every simulated GPU, beside mig-parted's own way to it.</summary>
public class MigPartedDefaultFileTests
{
    /// <summary>Set to 1, the run writes the tables of docs/mig-parted.md.</summary>
    private const string Accept = "NVMIG_ACCEPT_TABLES";

    [MigPartedConfigFact]
    public async Task Every_label_has_mig_parteds_outcome_on_every_gpu()
    {
        LayoutFile file = LayoutFile.Read(MigPartedConfigFactAttribute.Path!);
        List<(string Model, string Label, LayoutOutcome Outcome)> all = [];
        foreach (SimulatedModel model in NvmlSimulator.Models.Where(model => model.IsSimulated))
        {
            using ApplyMachine machine = ApplyMachine.Start($"{model.Key}*2");
            foreach (NamedLayout layout in file.Layouts)
            {
                (LayoutOutcome ours, string message) = await ApplyAsync(machine, machine.Session.Devices[0], layout);
                LayoutOutcome theirs = MigPartedRules.Apply(machine.Session.Devices[1], layout);
                ours.Should().Be(theirs, $"{layout.Label} on {model.Key}: {message}");
                if (ours == LayoutOutcome.Applied)
                    Describe(machine.Session.Devices[0])
                        .Should().Be(Describe(machine.Session.Devices[1]), $"{layout.Label} on {model.Key}");
                all.Add((model.Key, layout.Label, ours));
            }
        }

        if (Environment.GetEnvironmentVariable(Accept) == "1")
            WriteTables(all);
    }

    private static async Task<(LayoutOutcome Outcome, string Message)> ApplyAsync(ApplyMachine machine, GpuDevice gpu, NamedLayout layout)
    {
        ResolvedLayout resolved;
        try
        {
            resolved = layout.Resolve([GpuIdentity.From(gpu)]);
        }
        catch (LayoutFileException e)
        {
            return (e.Message.Contains("can be divided", StringComparison.Ordinal)
                ? LayoutOutcome.NotMigCapable
                : LayoutOutcome.NoEntry, e.Message);
        }

        if (resolved.Gpus.Count == 0)
            return (LayoutOutcome.Applied, "");
        GpuTarget target = new(gpu, resolved.Gpus[0].Layout, resolved.Gpus[0].IsMigEnabled);
        GpuApplyResult result = (await LayoutApplier.ApplyAsync([target], machine.Options)).Gpus[0];
        LayoutOutcome outcome = result switch
        {
            { IsSuccess: true } => LayoutOutcome.Applied,
            { Outcome: ApplyOutcome.Refused, Refusal.Reason: PlanRefusalReason.NoRoom } => LayoutOutcome.NoRoom,
            { Outcome: ApplyOutcome.Refused, Error: PlanningException { Error: PlanningError.UnknownProfile } } => LayoutOutcome.NoProfile,
            _ => throw new InvalidOperationException($"{layout.Label}: {result.Message}"),
        };
        return (outcome, result.Message);
    }

    private static string Describe(GpuDevice gpu) => !gpu.IsMigCapable() || !gpu.GetMigMode().Current
        ? "off"
        : string.Join(',', gpu.GetGpuInstances()
            .SelectMany(instance => instance.GetComputeInstances().Select(inside => $"{instance.Profile}/{inside.Profile}"))
            .Order(StringComparer.Ordinal));

    private static void WriteTables(List<(string Model, string Label, LayoutOutcome Outcome)> all)
    {
        string path = Repository.File("docs/mig-parted.md");
        string text = File.ReadAllText(path);
        StringBuilder tables = new();
        tables.Append(
            "| GPU | applied | no such profile | no entry for it | no room | cannot be divided |\n| --- | --: | --: | --: | --: | --: |\n");
        foreach (IGrouping<string, LayoutOutcome> model in all.GroupBy(one => one.Model, one => one.Outcome))
        {
            IEnumerable<int> counts = Enum.GetValues<LayoutOutcome>()
                .OrderBy(
                    o =>
                        Array.IndexOf([LayoutOutcome.Applied, LayoutOutcome.NoProfile, LayoutOutcome.NoEntry], o) is >= 0 and var at
                            ? at
                            : 9)
                .Select(outcome => model.Count(o => o == outcome));
            tables.Append($"| {model.Key} | {string.Join(" | ", counts)} |\n");
        }

        tables.Append("\n| layouts | applied on | no entry for | no room on |\n| --- | --- | --- | --- |\n");
        string[] models = [.. all.Select(one => one.Model).Distinct()];
        foreach (IGrouping<string, string> same in all.GroupBy(one => one.Label).GroupBy(
            label => string.Join(" | ", ((LayoutOutcome[])[LayoutOutcome.Applied, LayoutOutcome.NoEntry, LayoutOutcome.NoRoom])
                .Select(outcome => List(models, [.. label.Where(one => one.Outcome == outcome).Select(one => one.Model)]))),
            label => label.Key))
        {
            tables.Append($"| {string.Join(", ", same)} | {same.Key} |\n");
        }

        const string Begin = "<!-- generated -->\n";
        const string End = "<!-- end -->";
        int from = text.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        int to = text.IndexOf(End, StringComparison.Ordinal);
        File.WriteAllText(path, text[..from] + tables + text[to..]);
    }

    private static string List(string[] all, string[] some) =>
        some.Length == all.Length ? "all"
        : some.Length > all.Length - 5 ? $"all but {string.Join(", ", all.Except(some))}"
        : string.Join(", ", some);
}
