using System.Diagnostics;
using Nvml.Mig.Cli.Mode;

namespace Nvml.Mig.Cli.Bench;

/// <summary>
/// Measures the operations of a plan during an exclusive run. It destroys the instances that it creates; the exclusive run restores the
/// rest. Before each round it reports what comes, and the remaining time if that can be estimated.
/// </summary>
internal sealed class BenchRun(
    GpuDevice gpu, BenchPlan plan, int repetitions, int warmup, Action<string, TimeSpan?> report, CancellationToken cancellationToken)
{
    private readonly List<Measurement> _measurements = [];
    private int _round;

    /// <summary>The GPU instances created and destroyed so far, and the time of the rounds with them.</summary>
    private int _instances;
    private TimeSpan _spent;

    /// <summary>The measurements so far.</summary>
    public IReadOnlyList<Measurement> Measurements => [.. _measurements.Where(m => m.Times.Count > 0).OrderBy(m => m.Operation)];

    /// <summary>The number of reports.</summary>
    public static int CountSteps(BenchPlan plan, bool switchesMode, int repetitions, int warmup) =>
        (plan.Places.Count + plan.Layouts.Count + (switchesMode ? 1 : 0)) * (repetitions + warmup);

    /// <summary>Comes first, since the library drops what it has read of the GPU when the mode changes. Ends with MIG enabled.</summary>
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
                instance.GetDefaultComputeInstanceProfile(); // Read once for each profile, so not part of the measurement.
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
            report(what, EstimateRest());
            long start = Stopwatch.GetTimestamp();
            act();
            if (instances == 0)
                continue;
            _instances += instances;
            _spent += Stopwatch.GetElapsedTime(start);
        }
    }

    /// <summary>
    /// Derived from the GPU instances so far, those of whole layouts included, since the calls are the same. Null before the first: the
    /// time of a mode switch says nothing about instances.
    /// </summary>
    private TimeSpan? EstimateRest() =>
        _instances == 0 ? null : _spent / _instances * (((double)plan.InstanceCount * (warmup + repetitions)) - _instances);

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
        if (ModeSwitch.Run(gpu, enabled).Problem is { } problem)
            throw problem;
    }
}
