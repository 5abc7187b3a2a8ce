using System.Diagnostics;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>
/// Random operations on the simulated machine, each answer compared with that of <see cref="DriverModel"/>. They come in short
/// histories, each on two new GPUs of one model; one that shows a difference is cut down to the operations that it takes.
/// </summary>
public class ModelBasedTests(ITestOutputHelper output)
{
    private const int StepsInAHistory = 200;

    /// <summary>Operations with their answers that every architecture must come across: a comparison without them shows little.</summary>
    private static readonly string[] Telling =
    [
        "CreateGpuInstance Success", "CreateGpuInstance InsufficientResources", "CreateGpuInstance NotSupported",
        "CreateGpuInstanceAt Success", "CreateGpuInstanceAt InsufficientResources", "CreateGpuInstanceAt NotSupported",
        "CreateGpuInstanceAnywhere InvalidArgument", "CreateFromForeignProfile ArgumentException",
        "DestroyGpuInstance Success", "DestroyGpuInstance InUse",
        "CreateWholeComputeInstance Success", "CreateWholeComputeInstance InsufficientResources",
        "CreateComputeInstance Success", "CreateComputeInstance InsufficientResources",
        "CreateComputeInstanceAt Success", "CreateComputeInstanceAt InUse", "CreateComputeInstanceAnywhere InvalidArgument",
        "DestroyComputeInstance Success", "UseWhatIsGone NotFound", "FindGpuInstance Success", "FindGpuInstance NotFound",
        "Enable Success", "Disable Success", "Disable InUse", "ListMigDevices Success", "FindMigDevice Success",
        ModelComparison.FullOfMigDevices,
    ];

    public static TheoryData<Architecture> Architectures =>
        new(TestedModels.All.Select(model => model.Architecture).Distinct());

    [Theory]
    [MemberData(nameof(Architectures))]
    public void The_simulator_answers_random_operations_as_the_model_does(Architecture architecture)
    {
        int wanted = LongTests.Wanted ? 1_000_000 : 4_000;
        TestedModel[] models = [.. TestedModels.All.Where(model => model.Architecture == architecture)];
        HashSet<string> seen = [];
        int operations = 0;
        long started = Stopwatch.GetTimestamp();
        for (int seed = 0; operations < wanted; seed++)
        {
            TestedModel model = models[seed % models.Length];
            Step[] steps = Generate(seed);
            ModelComparison comparison = Run(model, steps);
            if (comparison.Difference is not null)
                Assert.Fail($"Seed {seed}: {Run(model, Shrink(model, steps))}");
            operations += comparison.History.Count;
            seen.UnionWith(comparison.Seen);
        }

        seen.Should().Contain(Telling);
        output.WriteLine($"{architecture}: {operations} operations in {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s");
    }

    private static ModelComparison Run(TestedModel model, IEnumerable<Step> steps)
    {
        using ModelComparison comparison = new(model);
        foreach (Step step in steps)
        {
            comparison.Perform(step);
            if (comparison.Difference is not null)
                return comparison;
        }

        comparison.CompareAll();
        return comparison;
    }

    /// <summary>Leaves out halves, quarters and so on, down to single steps, and all over again, as long as a difference remains.</summary>
    private static Step[] Shrink(TestedModel model, Step[] steps)
    {
        int before;
        do
        {
            before = steps.Length;
            for (int size = (steps.Length + 1) / 2; size > 0; size /= 2)
            {
                for (int at = 0; at + size <= steps.Length;)
                {
                    Step[] fewer = [.. steps[..at], .. steps[(at + size)..]];
                    if (Run(model, fewer).Difference is null)
                        at += size;
                    else
                        steps = fewer;
                }
            }
        }
        while (steps.Length < before);
        return steps;
    }

    /// <summary>
    /// Times when more is created and times when more is destroyed, in each with a favourite profile or instance so that there are many of
    /// a kind; in between, reads, mistakes, changes of the mode, and a GPU that is filled or emptied.
    /// </summary>
    private static Step[] Generate(int seed)
    {
        Act[] creations =
        [
            Act.CreateGpuInstance, Act.CreateGpuInstanceAt, Act.CreateGpuInstanceAt, Act.CreateWholeComputeInstance,
            Act.CreateComputeInstance, Act.CreateComputeInstance, Act.CreateComputeInstanceAt,
        ];
        Act[] destructions = [Act.DestroyGpuInstance, Act.DestroyComputeInstance];
        Act[] mistakes =
        [
            Act.CreateGpuInstanceAnywhere, Act.CreateComputeInstanceAnywhere, Act.CreateFromForeignProfile, Act.FindGpuInstance,
            Act.UseWhatIsGone,
        ];
        Act[] reads =
        [
            Act.ListGpuInstances, Act.ListComputeInstances, Act.ListMigDevices, Act.FindMigDevice, Act.ReadMode, Act.ReadCapacity,
            Act.ReadComputeCapacity, Act.ReadPlaces, Act.ReadComputePlaces,
        ];
        Random random = new(seed);
        double growth = 0;
        int favourite = 0;
        Step[] steps = new Step[StepsInAHistory];
        for (int i = 0; i < steps.Length; i++)
        {
            if (i % 40 == 0)
                (growth, favourite) = (random.NextDouble(), random.Next());
            Act[] acts = random.NextDouble() switch
            {
                _ when i < ModelComparison.Gpus => [Act.Enable],
                < 0.02 => [Act.FillUp, Act.Clear],
                < 0.07 => [Act.Enable, Act.Disable],
                < 0.20 => mistakes,
                < 0.45 => reads,
                _ => random.NextDouble() < growth ? creations : destructions,
            };
            steps[i] = new Step(
                acts[random.Next(acts.Length)],
                Gpu: i < ModelComparison.Gpus ? i : random.Next(),
                First: random.Next(2) == 0 ? favourite : random.Next(),
                Second: random.Next(),
                Third: random.Next());
        }

        return steps;
    }
}
