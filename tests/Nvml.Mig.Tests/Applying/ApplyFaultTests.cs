using System.Globalization;
using Nvml.Mig.Applying;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Applying;

/// <summary>
/// Every native call of an apply fails once, with each code that is plausible of it, before it takes effect and after. Always: what was
/// wanted is there, or what was there before, or the report says what differs; and the report is true.
/// </summary>
public class ApplyFaultTests(ITestOutputHelper output)
{
    /// <summary>One GPU: what stands there, what a process uses of it, and what is wanted instead.</summary>
    private static readonly Scenario[] OneGpu =
    [
        .. A100(null, [], "3g.20gb,1g.5gb*3", "7g.40gb", "4g.20gb/1c/1c/2c,2g.10gb"),
        .. A100("", [], "1g.5gb*7", "9,9", "1c.3g.20gb*4", "20,15,14", null),
        .. A100("7g.40gb", [], "1g.5gb*2", "3g.20gb/2c/1c,3g.20gb/none", "", null),
        .. A100("7g.40gb", [0], "7g.40gb", "+7g.40gb", ""),
        .. A100("19*7", [], "7g.40gb", "9,19*3", "-19*3", null),
        .. A100("19*7", [0, 3], "19*2", "14,19*5", "-GI13", "9,14"),
        .. A100("9:0,9:4", [1], "4g.20gb,9", "14*2,9", "19*3,9:4", "9"),
        .. A100("5,19*2,19", [0], "5", "5,9", "5,14", "5/1c*4"),
        .. A100("5/1c/1c/2c,9/none", [1], "5/1c/1c/2c,9", "5/1c/1c/2c,19*3", "5/1c/1c/1c/1c,9", "5/1c/1c,14"),
        .. A100("9/1c/1c/1c", [1], "9/1c/1c/1c,9", "9/1c/1c,19*3", "+14"),
        .. A100("14:0,14:2,14:4", [2], "19*4,14", "9:0,14:4", "15*3", "14:4,20"),
        .. A100("15:0,15:2,19:4", [0], "15,9", "15*3", "15,14,19*2"),
        .. Others("A30", "", "1g.6gb*4"),
        .. Others("A30", "2g.12gb*2", "4g.24gb", "1g.6gb*2,2g.12gb"),
        .. Others("H100-SXM5-80GB", null, "3g.40gb/2c/1c,4g.40gb/1c*2/2c", "1g.20gb*4"),
        .. Others("H100-SXM5-80GB", "7g.80gb/3c/2c/2c", "2g.20gb*3,1g.10gb", null),
        .. Others("RTX-PRO-6000-Server", "2g.48gb*2", "1g.24gb+me,1g.24gb*3", "4g.96gb"),
    ];

    private static readonly Scenario[] EightGpus =
    [
        new("A100-SXM4-40GB*8", "", [], "1g.5gb*7"),
        new("A100-SXM4-40GB*8", null, [], "3g.20gb*2"),
        new("A100-SXM4-40GB*8", "9,19*3", [0], "9,14,19"),
        new("A100-SXM4-40GB*8", "19*7", [2, 5], "19*2,14"),
        new("H200*8", "9,9", [], null),
        new("H100-SXM5-80GB*8", "7g.80gb", [], "4g.40gb/1c/1c,2g.20gb"),
    ];

    /// <summary>What a call that changes something can answer; the last six no retry helps.</summary>
    private static readonly NvmlReturnCode[] CodesOfChanges =
    [
        NvmlReturnCode.InUse,
        NvmlReturnCode.Timeout,
        NvmlReturnCode.NotReady,
        NvmlReturnCode.Unknown,
        NvmlReturnCode.InsufficientResources,
        NvmlReturnCode.NoPermission,
        NvmlReturnCode.InvalidArgument,
        NvmlReturnCode.GpuIsLost,
        NvmlReturnCode.OperatingSystem,
    ];

    private static readonly NvmlReturnCode[] CodesOfReads =
        [NvmlReturnCode.Unknown, NvmlReturnCode.Timeout, NvmlReturnCode.GpuIsLost, NvmlReturnCode.NoPermission];

    /// <summary>Reads of instances through handles, which can lead nowhere, and lists of them.</summary>
    private static readonly NvmlReturnCode[] CodesOfInfo =
    [
        .. CodesOfReads,
        NvmlReturnCode.NotFound,
        NvmlReturnCode.InvalidArgument,
        NvmlReturnCode.InUse,
        NvmlReturnCode.InsufficientResources,
    ];

    private static readonly string[] Infos =
        ["nvmlGpuInstanceGetInfo", "nvmlComputeInstanceGetInfo_v2", "nvmlDeviceGetGpuInstances", "nvmlGpuInstanceGetComputeInstances"];

    [Fact]
    public void The_pairs_are_enough()
    {
        OneGpu.Distinct().Should().HaveCountGreaterThanOrEqualTo(50);
        EightGpus.Should().HaveCountGreaterThanOrEqualTo(5);
    }

    [Fact]
    public void One_gpu()
    {
        int cases = 0;
        using TemporaryFolder memory = JournalFolder();
        for (int i = 0; i < OneGpu.Length; i++)
            cases += FailEachCall(OneGpu[i], memory.Path, every: LongTests.Wanted ? 1 : 29, offset: i, allOrNothing: false);
        output.WriteLine($"{cases} cases");
        cases.Should().BeGreaterThan(1_000);
    }

    [Fact]
    public void Eight_gpus()
    {
        int cases = 0;
        using TemporaryFolder memory = JournalFolder();
        for (int i = 0; i < EightGpus.Length; i++)
            cases += FailEachCall(EightGpus[i], memory.Path, every: LongTests.Wanted ? 7 : 211, offset: i, allOrNothing: i % 2 == 0);
        output.WriteLine($"{cases} cases");
        cases.Should().BeGreaterThan(50);
    }

    /// <summary>Between any two calls somebody else destroys an instance: one that was there, or one that is being made.</summary>
    [Fact]
    public void Somebody_else_destroys_an_instance_at_any_moment()
    {
        int cases = 0;
        using TemporaryFolder memory = JournalFolder();
        foreach (Scenario scenario in OneGpu.Where((_, i) => LongTests.Wanted || i % 7 == 0))
        {
            (long calls, GpuSnapshot? before, GpuSnapshot? after) = CleanRun(scenario, memory.Path);
            // Not what a process uses: that nobody can destroy.
            GpuInstanceSnapshot[] victims = [.. (before?.Instances ?? []).Concat(after?.Instances ?? []).DistinctBy(i => i.Id)];
            for (int nth = 1; nth <= calls; nth += LongTests.Wanted ? 1 : 5)
            {
                GpuInstanceSnapshot? victim = victims.Length == 0 ? null : victims[nth % victims.Length];
                if (victim is null)
                    continue;
                cases++;
                Vanish(scenario, memory.Path, victim, nth);
            }
        }

        output.WriteLine($"{cases} cases");
        cases.Should().BeGreaterThan(50);
    }

    private static void Vanish(Scenario scenario, string records, GpuInstanceSnapshot victim, int nth)
    {
        Clear(records);
        using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: records);
        GpuSnapshot start = machine.Truth()[0];
        if (start.Instances.FirstOrDefault(i => i.Id == victim.Id) is { } there
            && there.ComputeInstances.Any(c => machine.InUse.Contains(c.MigUuid!)))
            return;
        string because = $"{scenario} without {victim} from call {nth} on";
        _ = machine.Gpu.Uuid;
        machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("*", 0, victim.Id!.Value) with { Nth = nth });

        GpuApplyResult gpu = machine.Apply(scenario.Target).Gpus[0];

        machine.Simulator.SetFaults();
        machine.Reopen();
        GpuSnapshot truth = machine.Truth()[0];
        because += $"; {gpu.Outcome}: {gpu.Message}";
        // Whether the victim is there is its destroyer's affair: everything else is ours.
        GpuSnapshot claimed = gpu.Outcome switch
        {
            ApplyOutcome.Applied => gpu.Goal!,
            ApplyOutcome.NotRestored => gpu.After!,
            _ => start,
        };
        Without(truth, victim).GetDifferencesFrom(Without(claimed, victim)).Should().BeEmpty(because);
        machine.InUse.Should().BeSubsetOf(truth.Instances.SelectMany(i => i.ComputeInstances).Select(c => c.MigUuid), because);
    }

    [Fact]
    public void A_gpu_that_is_lost_at_any_moment_is_reported_so()
    {
        int cases = 0;
        using TemporaryFolder memory = JournalFolder();
        foreach (Scenario scenario in OneGpu.Where((_, i) => LongTests.Wanted || i % 11 == 0))
        {
            long calls = CleanRun(scenario, memory.Path).Calls;
            for (int nth = 1; nth <= calls; nth += LongTests.Wanted ? 1 : 3)
            {
                Clear(memory.Path);
                using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: memory.Path);
                _ = machine.Gpu.Uuid;
                long changes = machine.MutatingCalls();
                machine.Simulator.SetFaults(NvmlFault.LoseGpu("*") with { Nth = nth });

                GpuApplyResult gpu = machine.Apply(scenario.Target).Gpus[0];

                // A call that asks for the name of a process is about no GPU, and loses none.
                if (Record.Exception(() => machine.Gpu.GetMigMode()) is null)
                    continue;
                cases++;
                string because = $"{scenario} lost at call {nth}: {gpu.Message}";
                gpu.Outcome.Should().BeOneOf([ApplyOutcome.Refused, ApplyOutcome.NotRestored], because);
                if (machine.MutatingCalls() > changes)
                    gpu.Outcome.Should().Be(ApplyOutcome.NotRestored, because);
                gpu.After.Should().BeNull(because);
            }
        }

        output.WriteLine($"{cases} cases");
        cases.Should().BeGreaterThan(50);
    }

    /// <summary>An apply without trouble in a session that knows the GPU's UUID: its calls, and what was there before and after.</summary>
    private static (long Calls, GpuSnapshot? Before, GpuSnapshot? After) CleanRun(Scenario scenario, string records)
    {
        Clear(records);
        using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: records);
        _ = machine.Gpu.Uuid;
        long before = machine.Simulator.GetCallCount();
        GpuApplyResult result = machine.Apply(scenario.Target).Gpus[0];
        return (machine.Simulator.GetCallCount() - before, result.Before, result.After);
    }

    private static GpuSnapshot Without(GpuSnapshot layout, GpuInstanceSnapshot victim) =>
        layout with { Instances = [.. layout.Instances.Where(i => !i.Placement.Overlaps(victim.Placement))] };

    /// <summary>Runs every n-th of the cases of a scenario: each call, each code, before and after.</summary>
    private static int FailEachCall(Scenario scenario, string records, int every, int offset, bool allOrNothing)
    {
        int cases = 0;
        int number = offset;
        foreach ((string function, long calls) in CallsOf(scenario, records))
        {
            NvmlReturnCode[] codes = ApplyMachine.Mutating.Contains(function) ? CodesOfChanges
                : Infos.Contains(function) ? CodesOfInfo
                : CodesOfReads;
            for (int nth = 1; nth <= calls; nth++)
            {
                foreach (NvmlReturnCode code in codes)
                {
                    foreach (bool after in (bool[])[false, true])
                    {
                        // A read has no effect.
                        if ((after && codes != CodesOfChanges) || number++ % every != 0)
                            continue;
                        cases++;
                        RunCase(scenario, records, NvmlFault.Return(function, code) with { Nth = nth, AfterEffect = after }, allOrNothing);
                    }
                }
            }
        }

        return cases;
    }

    private static void RunCase(Scenario scenario, string records, NvmlFault fault, bool allOrNothing)
    {
        string because = string.Create(CultureInfo.InvariantCulture, $"{scenario} with {fault}");
        Clear(records);
        using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: records);
        string[] start = machine.Describe();
        machine.Reopen();
        machine.Simulator.SetFaults(fault);
        ApplyResult result;
        try
        {
            result = machine.Apply(scenario.Target, machine.Options with { AllOrNothing = allOrNothing });
        }
        catch (NvmlException e)
        {
            // The GPUs could not even be counted or named: there is nothing to report on.
            e.Function.Should().BeOneOf(["nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"], because);
            machine.Simulator.SetFaults();
            machine.Describe().Should().Equal(start, because);
            return;
        }

        machine.Simulator.SetFaults();
        machine.Reopen();
        machine.ShouldBeTrue(result, scenario.Target, start, because);
    }

    /// <summary>What an apply without trouble calls, and how often. One of them is refused: something in use is in its way.</summary>
    private static List<(string Function, long Calls)> CallsOf(Scenario scenario, string records)
    {
        Clear(records);
        using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: records);
        machine.Reopen();
        string[] functions = [.. machine.Session.GetFunctions().Keys];
        Dictionary<string, long> before = functions.ToDictionary(f => f, machine.Simulator.GetCallCount);
        ApplyResult result = machine.Apply(scenario.Target);
        result.Gpus.Should()
            .OnlyContain(g => g.IsSuccess || g.Outcome == ApplyOutcome.Refused || g.Outcome == ApplyOutcome.NotTried, scenario.ToString());
        return [.. functions.Select(f => (f, machine.Simulator.GetCallCount(f) - before[f])).Where(f => f.Item2 > 0)];
    }

    private static IEnumerable<Scenario> A100(string? start, int[] inUse, params string?[] targets) =>
        targets.Select(target => new Scenario("A100-SXM4-40GB", start, inUse, target));

    private static IEnumerable<Scenario> Others(string gpu, string? start, params string?[] targets) =>
        targets.Select(target => new Scenario(gpu, start, [], target));

    /// <summary>In memory: what is tested here is not the disk, and thousands of records would wait for it.</summary>
    private static TemporaryFolder JournalFolder() => new(Directory.Exists("/dev/shm") ? "/dev/shm" : null);

    private static void Clear(string folder)
    {
        foreach (string file in Directory.GetFiles(folder))
            File.Delete(file);
    }
}
