using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Planning;
using Nvml.Mig.Tests.Planning;

namespace Nvml.Mig.Tests.Applying;

/// <summary>
/// A situation for an apply: GPUs that are all divided alike, with processes on some of their MIG devices, and what they are to become.
/// </summary>
/// <param name="Gpus">The machine.</param>
/// <param name="Start">What stands on each GPU, as a spec; null: MIG is disabled.</param>
/// <param name="InUse">The MIG devices of each GPU that a process uses, by index.</param>
/// <param name="Target">What is asked for each; null: MIG disabled.</param>
internal sealed record Scenario(string Gpus, string? Start, int[] InUse, string? Target)
{
    public override string ToString() => $"{Gpus}: {Start ?? "disabled"} [{string.Join(' ', InUse)}] -> {Target ?? "disabled"}";
}

/// <summary>A simulated machine in a situation, and what is true of it whatever an apply says.</summary>
internal sealed class ApplyMachine : IDisposable
{
    private readonly List<IDisposable> _processes = [];
    private readonly TemporaryFolder? _folder;
    private readonly NvmlSimulator _simulator;

    private ApplyMachine(NvmlSimulator simulator, string? recordFolder)
    {
        _simulator = simulator;
        _folder = recordFolder is null ? new TemporaryFolder() : null;
        JournalFolder = recordFolder ?? _folder!.Path;
        Session = NvmlSession.Open(simulator.LibraryPath);
    }

    public NvmlSimulator Simulator => _simulator;

    public NvmlSession Session { get; private set; }

    public string JournalFolder { get; }

    public GpuDevice Gpu => Session.Devices[0];

    /// <summary>The MIG devices that processes use.</summary>
    public List<string> InUse { get; } = [];

    public ApplyOptions Options => new()
    {
        JournalFolder = JournalFolder,
        Timeout = TimeSpan.FromMilliseconds(30),
        RetryDelay = TimeSpan.FromMilliseconds(1),
    };

    public static ApplyMachine Start(string gpus, string? stateFile = null, string? recordFolder = null) =>
        new(NvmlSimulator.Start(gpus, stateFile), recordFolder);

    public static ApplyMachine Start(Scenario scenario, string? stateFile = null, string? recordFolder = null)
    {
        ApplyMachine machine = Start(scenario.Gpus, stateFile, recordFolder);
        foreach (GpuDevice gpu in machine.Session.Devices)
        {
            if (scenario.Start is null)
                continue;
            gpu.EnableMig();
            Divide(gpu, scenario.Start);
            IReadOnlyList<MigDevice> devices = gpu.GetMigDevices();
            foreach (MigDevice device in scenario.InUse.Select(i => devices[i]))
                machine.Use(device);
        }

        return machine;
    }

    public IDisposable Use(MigDevice device)
    {
        IDisposable process = _simulator.StartProcess(device, 4711 + _processes.Count, "train");
        _processes.Add(process);
        InUse.Add(device.Uuid);
        return process;
    }

    /// <summary>Divides an empty GPU by the bare calls, apart from anything that is tested here.</summary>
    private static void Divide(GpuDevice gpu, string spec)
    {
        Planner.TryPlan(gpu.ReadSnapshot(), States.Spec(spec), out GpuPlan? plan, out PlanRefusal? refusal).Should()
            .BeTrue(refusal?.Message);
        foreach (LayoutStep step in plan!.Steps)
        {
            if (step.Kind == LayoutStepKind.CreateGpuInstance)
            {
                gpu.CreateGpuInstance(step.GpuInstance!.Profile, step.GpuInstance.Placement);
                continue;
            }

            GpuInstance instance = gpu.GetGpuInstances().Single(i => i.Placement == step.GpuInstance!.Placement);
            ComputeInstanceSnapshot inside = step.ComputeInstance!;
            ComputeInstanceProfile? profile = inside.Profile ?? (inside.SliceCount == instance.Profile.SliceCount
                ? null
                : instance.GetComputeInstanceProfiles().Where(p => p.SliceCount == inside.SliceCount).MinBy(p => p.Number));
            instance.CreateComputeInstance(profile, inside.Placement);
        }
    }

    public GpuTarget[] Targets(string? target) =>
        [.. Session.Devices.Select(
            gpu => target is null ? new GpuTarget(gpu, null, MigEnabled: false) : new GpuTarget(gpu, States.Spec(target)))];

    public ApplyResult Apply(
        string? target, ApplyOptions? options =
            null, Action<ApplyProgress>? listener = null, CancellationToken cancellationToken = default) =>
        ApplyTo(Targets(target), options, listener, cancellationToken);

    public ApplyResult ApplyTo(
        GpuTarget[] targets,
        ApplyOptions? options = null,
        Action<ApplyProgress>? listener = null,
        CancellationToken cancellationToken = default) =>
        LayoutApplier.ApplyAsync(targets, options ?? Options, listener is null ? null : new Listener(listener), cancellationToken)
            .GetAwaiter().GetResult();

    public ApplyResult Rollback(params GpuDevice[] gpus) =>
        LayoutApplier.RollbackAsync(Session, gpus.Length == 0 ? null : gpus, Options).GetAwaiter().GetResult();

    public ApplyResult Rollback(ApplyOptions options) => LayoutApplier.RollbackAsync(Session, null, options).GetAwaiter().GetResult();

    /// <summary>A new session, which knows nothing of the GPUs.</summary>
    public void Reopen()
    {
        Session.Dispose();
        Session = NvmlSession.Open(_simulator.LibraryPath);
    }

    /// <summary>What stands on each GPU, read with everything.</summary>
    public GpuSnapshot[] Truth() => [.. Session.Devices.Select(gpu => gpu.ReadSnapshot(SnapshotParts.Instances))];

    /// <summary>A layout as text that tells everything of it.</summary>
    public static string Describe(GpuSnapshot layout) =>
        $"{layout.Mode}: "
        + string.Join("; ", layout.Instances.Select(i => $"{i} [{string.Join(", ", i.ComputeInstances.Select(c => $"{c} {c.MigUuid}"))}]"));

    public string[] Describe() => [.. Truth().Select(Describe)];

    public long MutatingCalls() => Mutating.Sum(function => _simulator.GetCallCount(function));

    public static IReadOnlyList<string> Mutating { get; } =
    [
        "nvmlDeviceSetMigMode",
        "nvmlDeviceCreateGpuInstance",
        "nvmlDeviceCreateGpuInstanceWithPlacement",
        "nvmlGpuInstanceDestroy",
        "nvmlGpuInstanceCreateComputeInstance",
        "nvmlGpuInstanceCreateComputeInstanceWithPlacement",
        "nvmlComputeInstanceDestroy",
    ];

    /// <summary>
    /// Holds a result against the machine: who is done has what was wanted, who says that it is as before is, who says what remains says
    /// the truth; and what is in use is still there.
    /// </summary>
    public void ShouldBeTrue(ApplyResult result, string? target, string[] start, string because)
    {
        GpuSnapshot[] truth = Truth();
        for (int i = 0; i < truth.Length; i++)
        {
            GpuApplyResult gpu = result.Gpus[i];
            string now = Describe(truth[i]);
            string context = string.Create(CultureInfo.InvariantCulture, $"{because}; GPU {i} {gpu.Outcome}: {gpu.Message}");
            switch (gpu.Outcome)
            {
                case ApplyOutcome.Applied:
                    truth[i].GetDifferencesFrom(gpu.Goal!).Should().BeEmpty(context);
                    if (target is not null && !States.Spec(target).IsChange)
                    {
                        Planner.TryPlan(Session.Devices[i].ReadSnapshot(), States.Spec(target), out GpuPlan? plan, out _).Should()
                            .BeTrue(context);
                        plan!.IsEmpty.Should().BeTrue(context);
                    }

                    gpu.Steps.Should().OnlyContain(s => s.Outcome == ApplyStepOutcome.Done, context);
                    break;
                case ApplyOutcome.NotRestored:
                    gpu.Differences.Should().NotBeEmpty(context);
                    if (gpu.After is not null)
                        Describe(gpu.After).Should().Be(now, context);
                    break;
                default:
                    now.Should().Be(start[i], context);
                    gpu.Steps.Should().NotContain(s => s.Outcome == ApplyStepOutcome.Left, context);
                    break;
            }
        }

        InUse.Should().BeSubsetOf(truth.SelectMany(l => l.Instances).SelectMany(i => i.ComputeInstances).Select(c => c.MigUuid), because);
    }

    public void Dispose()
    {
        foreach (IDisposable process in _processes)
            process.Dispose();
        Session.Dispose();
        _simulator.Dispose();
        _folder?.Dispose();
    }

    private sealed class Listener(Action<ApplyProgress> hear) : IProgress<ApplyProgress>
    {
        public void Report(ApplyProgress value) => hear(value);
    }
}
