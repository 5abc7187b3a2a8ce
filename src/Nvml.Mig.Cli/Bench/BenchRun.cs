using System.Diagnostics;
using Nvml.Mig.Cli.Commands;

namespace Nvml.Mig.Cli.Bench;

/// <summary>
/// Measures what a plan says on a GPU that is lent to it. It destroys what it creates, and leaves the rest of the way back to the lender.
/// Before each round it says what comes, and how long it all still takes, if that can be known.
/// </summary>
internal sealed class BenchRun(GpuDevice gpu, BenchPlan plan, int repetitions, int warmup, Action<string, TimeSpan?> say, CancellationToken cancellationToken)
{
    private readonly List<Measurement> _measurements = [];
    private int _round;

    /// <summary>The GPU instances that were created and destroyed, and what the rounds with them took.</summary>
    private int _instances;
    private TimeSpan _spent;

    /// <summary>What was measured so far.</summary>
    public IReadOnlyList<Measurement> Measurements => [.. _measurements.Where(m => m.Times.Count > 0).OrderBy(m => m.Operation)];

    /// <summary>How often something is said.</summary>
    public static int CountSteps(BenchPlan plan, bool switchesMode, int repetitions, int warmup) =>
        (plan.Places.Count + plan.Layouts.Count + (switchesMode ? 1 : 0)) * (repetitions + warmup);

    /// <summary>First, since a change of mode makes the library forget what it knows of the GPU. Ends with MIG enabled.</summary>
    public void MeasureMode()
    {
        Measurement disable = Begin(new Measurement(BenchOperation.DisableMig));
        Measurement enable = Begin(new Measurement(BenchOperation.EnableMig));
        if (!gpu.GetMigMode().Current)
            Switch(enabled: true);
        Repeat("MIG mode off and on", 0, () =>
        {
            Time(disable, () => Switch(enabled: false));
            Time(enable, () => Switch(enabled: true));
        });
    }

    public void MeasurePlaces()
    {
        foreach ((GpuInstanceProfile profile, Placement placement) in plan.Places)
        {
            Measurement create = Begin(new Measurement(BenchOperation.CreateGpuInstance, profile, placement));
            Measurement createInside = Begin(new Measurement(BenchOperation.CreateComputeInstance, profile, placement));
            Measurement destroyInside = Begin(new Measurement(BenchOperation.DestroyComputeInstance, profile, placement));
            Measurement destroy = Begin(new Measurement(BenchOperation.DestroyGpuInstance, profile, placement));
            Repeat($"{profile.Name} at {placement}", 1, () =>
            {
                GpuInstance instance = Time(create, () => gpu.CreateGpuInstance(profile, placement));
                instance.GetDefaultComputeInstanceProfile(); // Read once for each profile: not what is measured.
                ComputeInstance inside = Time(createInside, () => instance.CreateComputeInstance());
                Time(destroyInside, inside.Destroy);
                Time(destroy, instance.Destroy);
            });
        }
    }

    public void MeasureLayouts()
    {
        foreach (BenchLayout layout in plan.Layouts)
        {
            Measurement create = Begin(new Measurement(BenchOperation.CreateLayout, layout: layout));
            Measurement destroy = Begin(new Measurement(BenchOperation.DestroyLayout, layout: layout));
            Repeat(layout.Name, layout.Places.Count, () =>
            {
                List<ComputeInstance> made = [];
                Time(create, () =>
                {
                    foreach ((GpuInstanceProfile profile, Placement placement) in layout.Places)
                    {
                        ThrowIfCancelled();
                        made.Add(gpu.CreateGpuInstance(profile, placement).CreateComputeInstance());
                    }
                });
                Time(destroy, () =>
                {
                    foreach (ComputeInstance inside in made)
                    {
                        ThrowIfCancelled();
                        inside.Destroy();
                        inside.GpuInstance.Destroy();
                    }
                });
            });
        }
    }

    private Measurement Begin(Measurement measurement)
    {
        _measurements.Add(measurement);
        return measurement;
    }

    private void Repeat(string what, int instances, Action act)
    {
        for (_round = 0; _round < warmup + repetitions; _round++)
        {
            say(what, EstimateRest());
            long start = Stopwatch.GetTimestamp();
            act();
            if (instances == 0)
                continue;
            _instances += instances;
            _spent += Stopwatch.GetElapsedTime(start);
        }
    }

    /// <summary>
    /// As long as the GPU instances so far took, those of whole layouts included: it is the same calls. Null before the first, since
    /// what switching MIG mode takes says nothing of them.
    /// </summary>
    private TimeSpan? EstimateRest() =>
        _instances == 0 ? null : _spent / _instances * ((plan.InstanceCount * (warmup + repetitions)) - _instances);

    private void Time(Measurement measurement, Action act) => Time(measurement, () =>
    {
        act();
        return 0;
    });

    private T Time<T>(Measurement measurement, Func<T> act)
    {
        ThrowIfCancelled();
        long start = Stopwatch.GetTimestamp();
        T result = act();
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        if (_round >= warmup)
            measurement.Add(time);
        return result;
    }

    private void ThrowIfCancelled()
    {
        if (cancellationToken.IsCancellationRequested)
            throw new OperationCanceledException("It was cancelled.", cancellationToken);
    }

    private void Switch(bool enabled)
    {
        MigModeChange change = enabled ? gpu.EnableMig() : gpu.DisableMig();
        if (MigModeCommand.Explain(gpu, change, enabled) is { } problem)
            throw problem;
    }
}
