namespace Nvml.Mig.Tests.Simulator;

/// <summary>The generations of GPUs with MIG, whose drivers' rules differ.</summary>
public enum Architecture
{
    Ampere,

    Hopper,

    Blackwell,
}

/// <summary>A GPU that the simulator has.</summary>
/// <param name="Name">As <see cref="NvmlSimulator.Start"/> takes it.</param>
/// <param name="Architecture">Its generation.</param>
internal sealed record TestedModel(string Name, Architecture Architecture);

/// <summary>The GPUs with MIG that the simulator has: the list for tests that go through all of them.</summary>
internal static class TestedModels
{
    public static IReadOnlyList<TestedModel> All { get; } =
        [.. NvmlSimulator.Models.Where(model => model is { IsSimulated: true, HasMig: true })
            .Select(model => new TestedModel(model.Key, Generation(model.Key)))];

    private static Architecture Generation(string key) => key switch
    {
        ['A', ..] => Architecture.Ampere,
        ['H', ..] or ['G', 'H', ..] => Architecture.Hopper,
        ['R', 'T', 'X', ..] => Architecture.Blackwell,
        _ => throw new InvalidOperationException($"Say which generation {key} is."),
    };
}
