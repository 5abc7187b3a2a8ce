using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Planning;

/// <summary>Plans carried out on the simulated driver, step by step, with nothing but what a step says.</summary>
public class ExecutionTests
{
    private static readonly int Plans = LongTests.Wanted ? 2_000 : 60;

    public static TheoryData<string> Models => new(SimulatedGeometries.Models);

    [Theory]
    [MemberData(nameof(Models))]
    public void No_native_call_of_a_plan_fails(string model)
    {
        BruteForce force = new(SimulatedGeometries.Of(model));
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        Random random = new(11);
        int executed = 0;
        int kept = 0;
        for (int i = 0; i < Plans; i++)
        {
            MigDevice[] devices = [.. machine.Gpu.GetMigDevices().Where(_ => random.Next(4) == 0)];
            IDisposable[] processes = [.. devices.Select((d, n) => machine.Simulator.StartProcess(d, 4711 + n, "python"))];
            LayoutSpec spec = LayoutSpec.Parse(
                string.Join(
                    ',',
                    force.SpotsOf(force.Layouts[random.Next(force.Layouts.Count)]).Select(s => s.Profile.Id + Inside(s.Profile, random))));
            GpuSnapshot state = machine.Gpu.ReadSnapshot();
            state.Instances.SelectMany(x => x.ComputeInstances).Where(c => c.IsInUse).Select(c => c.MigUuid).Should()
                .BeEquivalentTo(devices.Select(d => d.Uuid));

            if (Planner.TryPlan(state, spec, out GpuPlan? plan, out _))
            {
                long[] before = Calls(machine);
                Execute(machine.Gpu, plan); // throws if a call fails
                Calls(machine).Zip(before, (a, b) => a - b).Should().Equal(
                    Count(LayoutStepKind.DestroyComputeInstance),
                    Count(LayoutStepKind.DestroyGpuInstance),
                    Count(LayoutStepKind.CreateGpuInstance),
                    Count(LayoutStepKind.CreateComputeInstance));
                long Count(LayoutStepKind kind) => plan.Steps.Count(s => s.Kind == kind);
                GpuSnapshot after = machine.Gpu.ReadSnapshot();
                // What came between cannot be seen: the layout is the one that was planned, and it needs nothing more.
                States.Describe(after).Should().Be(States.Describe(plan.GetResult()));
                States.Plan(after, spec.ToString()).IsEmpty.Should().BeTrue();
                devices.Select(d => d.Uuid).Should().BeSubsetOf(machine.Gpu.GetMigDevices().Select(d => d.Uuid));
                executed++;
                kept += plan.Kept.Count;
            }

            foreach (IDisposable process in processes)
                process.Dispose();
        }

        executed.Should().BeGreaterThan(Plans / 4);
        kept.Should().BePositive();
    }

    /// <summary>Each from the one before, so that plans destroy, keep and create.</summary>
    [Theory]
    [MemberData(nameof(Models))]
    public void Every_layout_that_is_possible_is_reached_on_the_driver(string model)
    {
        BruteForce force = new(SimulatedGeometries.Of(model));
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        int[][] multisets = [.. force.Layouts.Select(force.CountsOf).DistinctBy(counts => string.Join(',', counts))];
        new Random(19).Shuffle(multisets);
        foreach (int[] counts in multisets)
        {
            LayoutSpec spec = new(counts.Select((count, kind) => (count, kind)).Where(c => c.count > 0)
                .Select(c => new InstanceSpec(force.Profiles[c.kind].Name) { Count = c.count }));
            GpuSnapshot state = machine.Gpu.ReadSnapshot();

            Execute(machine.Gpu, States.Plan(state, spec.ToString()));

            force.CountsOf(force.LayoutOf(machine.Gpu.ReadSnapshot())).Should().Equal(counts);
        }

        multisets.Should().HaveCountGreaterThan(10);
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", "1c.3g.20gb*2,2c.4g.20gb,1c.4g.20gb")]
    [InlineData("H100-SXM5-80GB", "3g.40gb/2c/1c,4g.40gb/1c*2/2c")]
    [InlineData("H100-SXM5-80GB", "7g.80gb/3c/2c/2c")]
    [InlineData("RTX-PRO-6000-Server", "1c.2g.48gb*2,1g.24gb+me")]
    public void Compute_instances_are_created_on_a_gpu_yet_unseen(string model, string spec)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        GpuSnapshot empty = machine.Gpu.ReadSnapshot();
        empty.Geometry.Profiles.Should().OnlyContain(p => p.ComputeProfiles == null);

        Execute(machine.Gpu, States.Plan(empty, spec));

        States.Plan(machine.Gpu.ReadSnapshot(), spec).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public void Alike_gpus_learn_from_each_other_what_goes_inside()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2,H100-SXM5-80GB");
        GpuInstance half = machine.Create("3g.20gb");
        machine.Session.Devices[1].CreateGpuInstance(machine.Session.Devices[1].GetGpuInstanceProfile("2g.10gb"));

        IReadOnlyList<GpuSnapshot> states = [.. GpuDevice.ReadSnapshots(machine.Session.Devices).Select(r => r.Snapshot!)];

        states[0].Geometry.Should().BeSameAs(states[1].Geometry);
        states[1].Geometry.GetProfile("3g.20gb").ComputeProfiles.Should().HaveCount(half.GetComputeInstanceProfiles().Count);
        states[0].Geometry.GetProfile("2g.10gb").ComputeProfiles.Should().NotBeNull();
        states[2].Geometry.Profiles.Should().OnlyContain(p => p.ComputeProfiles == null);
    }

    [Fact]
    public void Reading_a_gpu_that_is_known_takes_few_calls()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        Execute(machine.Gpu, States.Plan(machine.Gpu.ReadSnapshot(), "1g.5gb*7"));
        machine.Gpu.ReadSnapshot();
        long before = machine.Simulator.GetCallCount();

        machine.Gpu.ReadSnapshot();

        // The mode; for each profile its instances; for each instance what it is, its compute instances and what they are; places inside a
        // 1g; seven MIG devices with their ids; the processes.
        (machine.Simulator.GetCallCount() - before).Should().BeLessThan(90);
    }

    /// <summary>Nothing, nothing at all, or compute instances inside that fit.</summary>
    private static string Inside(GpuInstanceProfile profile, Random random) => (random.Next(4), profile.SliceCount) switch
    {
        (0, _) => "/none",
        (1, > 1) => "/1c",
        (2, 4) => "/1c/2c",
        (2, > 1) => "/1c/1c",
        _ => "",
    };

    private static long[] Calls(SimulatedGpu machine) =>
    [
        machine.Simulator.GetCallCount("nvmlComputeInstanceDestroy"),
        machine.Simulator.GetCallCount("nvmlGpuInstanceDestroy"),
        machine.Simulator.GetCallCount("nvmlDeviceCreateGpuInstance") + machine.Simulator.GetCallCount(
            "nvmlDeviceCreateGpuInstanceWithPlacement"),
        machine.Simulator.GetCallCount(
            "nvmlGpuInstanceCreateComputeInstance") + machine.Simulator.GetCallCount("nvmlGpuInstanceCreateComputeInstanceWithPlacement"),
    ];

    private static void Execute(GpuDevice gpu, GpuPlan plan)
    {
        foreach (LayoutStep step in plan.Steps)
        {
            if (step.Kind == LayoutStepKind.CreateGpuInstance)
            {
                gpu.CreateGpuInstance(step.GpuInstance!.Profile, step.GpuInstance.Placement);
                continue;
            }

            GpuInstance instance = gpu.GetGpuInstances().Single(i => i.Placement == step.GpuInstance!.Placement);
            if (step.Kind == LayoutStepKind.DestroyGpuInstance)
            {
                instance.Destroy();
                continue;
            }

            if (step.Kind == LayoutStepKind.DestroyComputeInstance)
            {
                instance.GetComputeInstances().Single(c => c.Id == step.ComputeInstance!.Id).Destroy();
                continue;
            }

            ComputeInstanceSnapshot inside = step.ComputeInstance!;
            ComputeInstanceProfile? profile = inside.Profile
                ?? (inside.SliceCount == instance.Profile.SliceCount
                    ? null
                    : instance.GetComputeInstanceProfiles().Where(p => p.SliceCount == inside.SliceCount).MinBy(p => p.Number));
            instance.CreateComputeInstance(profile, inside.Placement);
        }
    }
}
