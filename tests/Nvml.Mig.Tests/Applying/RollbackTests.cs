using Nvml.Mig.Applying;
using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Applying;

/// <summary>What is recorded before a change, and the way back to it.</summary>
public class RollbackTests
{
    private const string A100 = "A100-SXM4-40GB";

    [Theory]
    [InlineData(null, "1g.5gb*7")]
    [InlineData("9:0/1c/1c/1c,9:4", "7g.40gb")]
    [InlineData("9:0/1c:2/1c:0,9:4/none", "19*7")]
    [InlineData("5/1c/2c,14:4,19", "5/2c/1c/1c,9")]
    [InlineData("7g.40gb", null)]
    public void A_success_can_be_taken_back_with_the_same_uuids(string? start, string? target)
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", start, [], target));
        string[] before = machine.Describe();
        machine.Apply(target).Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Applied);

        ApplyResult result = machine.Rollback();

        result.Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Applied);
        machine.Describe().Should().Equal(before);
        machine.Rollback().Gpus.Should().BeEmpty("all of it was taken back");
    }

    [Fact]
    public void A_uuid_that_does_not_come_back_is_no_success()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string uuid = machine.Gpu.GetMigDevices()[0].Uuid;
        machine.Apply("19").IsSuccess.Should().BeTrue();
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        const string Other = "MIG-00000000-0000-0000-0000-000000000000";
        File.WriteAllText(file, File.ReadAllText(file).Replace(uuid, Other));

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Differences.Should().ContainSingle().Which.Should().EndWith($" is MIG device {uuid}, not {Other}.");
    }

    [Fact]
    public void Without_a_record_there_is_nothing_to_take_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        machine.Rollback().Gpus.Should().BeEmpty();
    }

    [Fact]
    public void An_instance_that_came_into_use_is_not_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        machine.Apply("19*7").IsSuccess.Should().BeTrue();
        machine.Use(machine.Gpu.GetMigDevices()[2]);
        string[] now = machine.Describe();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should()
            .Match(
                "GPU instance 9 (1g.5gb at 2:1) of GPU 0 (GPU-*) is in use by process 4711 (train) and in the way. Nothing was changed.");
        machine.Describe().Should().Equal(now);
    }

    [Fact]
    public void Instances_of_others_in_the_way_are_left_and_named()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("2g.10gb"), new Placement(4, 2));
        string[] now = machine.Describe();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should()
            .Contain("(3g.20gb at 4:4) has no place: GPU instance 5 (2g.10gb at 4:2) is there, which this apply did not make.");
        machine.Describe().Should().Equal(now);
    }

    [Fact]
    public void Instances_of_others_beside_it_are_left_and_named()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        machine.Apply("9:4,19:0").IsSuccess.Should().BeTrue();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("2g.10gb"), new Placement(2, 2));

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Message.Should().Be("Done. GPU instance 4 (2g.10gb at 2:2) is there, which this apply did not make: it is left alone.");
        machine.Truth()[0].Instances.Select(i => i.ToString()).Should()
            .Equal("GPU instance 4 (2g.10gb at 2:2)", "GPU instance 2 (3g.20gb at 4:4)");
        machine.Rollback().Gpus.Should().BeEmpty();
    }

    [Fact]
    public void Mig_is_not_disabled_under_what_others_have_made()
    {
        using ApplyMachine machine = ApplyMachine.Start("H200");
        machine.Apply("9").IsSuccess.Should().BeTrue();
        GpuInstanceProfile small = machine.Gpu.GetGpuInstanceProfiles()[0];
        machine.Gpu.CreateGpuInstance(small);
        string[] now = machine.Describe();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should().Contain("MIG cannot be disabled: GPU instance");
        machine.Describe().Should().Equal(now);
    }

    /// <summary>
    /// Somebody makes an instance while an apply is under way, which fails then: what holds the GPU is no service, and is named.
    /// </summary>
    [Fact]
    public void Nor_is_it_on_the_way_back_of_an_apply_that_failed()
    {
        using ApplyMachine machine = ApplyMachine.Start("H200");
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Unknown));
        int stops = 0;
        GpuServices services = new()
        {
            Units = [],
            JournalPath = Path.Combine(machine.JournalFolder, "stopped-services"),
            BeforeStop = [new ServiceHook("count", _ =>
            {
                stops++;
                return Task.CompletedTask;
            })],
        };

        GpuApplyResult gpu = machine.Apply("1g.18gb:0", machine.Options with { Quiesce = true, Services = services }, p =>
        {
            if (p is { Step.Kind: LayoutStepKind.CreateComputeInstance, IsRollback: false })
                machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("2g.35gb"), new Placement(4, 2));
        }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.RollbackSteps.Should().NotContain(s => s.Step.Kind == LayoutStepKind.DisableMig);
        gpu.RollbackError!.Message.Should()
            .Contain("MIG cannot be disabled: GPU instance 5 (2g.35gb at 4:2) is there, which this apply did not make.");
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
        stops.Should().Be(0, "no service is in the way");
    }

    [Fact]
    public void Mig_is_not_disabled_under_last_moment_instances()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario("H200", "9", [], null));

        GpuApplyResult gpu = machine.Apply(null, machine.Options with { Timeout = TimeSpan.FromMinutes(1) }, p =>
        {
            if (p is { Step.Kind: LayoutStepKind.DisableMig, IsRollback: false })
                machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.18gb"), new Placement(0, 1));
        }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Error.Should().BeOfType<NvmlInUseException>().Which.Message.Should()
            .Match("MIG cannot be disabled on GPU 0 (GPU-*): GPU instance * (1g.18gb at 0:1) is there.");
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    [Fact]
    public void A_gpu_is_not_reset_under_what_others_make_at_the_last_moment()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "+vm");
        machine.Gpu.EnableMig();
        machine.Simulator.Reboot();
        int resets = 0;
        GpuServices services = new()
        {
            Units = [],
            JournalPath = Path.Combine(machine.JournalFolder, "stopped-services"),
            BeforeStop = [new ServiceHook("somebody else", _ =>
            {
                machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb"), new Placement(4, 4));
                return Task.CompletedTask;
            })],
        };

        GpuApplyResult gpu = machine.Apply(null, machine.Options with
        {
            Quiesce = true,
            Services = services,
            ResetGpu = (_, _) =>
            {
                resets++;
                return Task.CompletedTask;
            },
        }).Gpus[0];

        resets.Should().Be(0);
        gpu.Error.Should().BeOfType<NvmlInUseException>().Which.Message.Should().EndWith(": GPU instance 2 (3g.20gb at 4:4) is there.");
        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    /// <summary>Ours was one, with no place named; of three that look alike two are somebody else's.</summary>
    [Fact]
    public void Compute_instances_that_others_have_added_are_left_alone()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        machine.Apply("3g.20gb/1c").IsSuccess.Should().BeTrue();
        GpuInstance half = machine.Gpu.GetGpuInstances()[0];
        ComputeInstanceProfile one = half.GetComputeInstanceProfiles().First(p => p.SliceCount == 1);
        string[] others = [.. Enumerable.Range(0, 2).Select(_ => half.CreateComputeInstance(one).GetMigDevice().Uuid)];

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied, gpu.Message);
        gpu.LeftAlone.Should().HaveCount(2);
        machine.Gpu.GetMigDevices().Select(d => d.Uuid).Should().BeEquivalentTo(others);
    }

    /// <summary>Once it is taken back, what comes after it is somebody else's, however alike.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_rolled_back_apply_is_done_with(bool applyFails)
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        if (applyFails)
            machine.Simulator.SetFaults(
                NvmlFault.Return("nvmlGpuInstanceCreateComputeInstanceWithPlacement", NvmlReturnCode.Unknown),
                NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Unknown));
        machine.Apply("19:0").IsSuccess.Should().Be(!applyFails);
        if (!applyFails)
            machine.Rollback().IsSuccess.Should().BeTrue();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(0, 1));

        machine.Rollback().Gpus.Should().BeEmpty();

        machine.Gpu.GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void After_a_rolled_back_apply_the_one_before_can_be_undone()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        string[] start = machine.Describe();
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown));
        machine.Apply("19:0,9").Gpus[0].Outcome.Should().Be(ApplyOutcome.RolledBack);

        machine.Rollback().IsSuccess.Should().BeTrue();

        machine.Describe().Should().Equal(start);
    }

    [Fact]
    public void So_can_it_on_gpus_that_the_later_apply_did_not_name()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "", [], ""));
        string[] start = machine.Describe();
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown));
        machine.ApplyTo([new GpuTarget(machine.Gpu, LayoutSpec.Parse("19:0,9"))]).Gpus[0].Outcome.Should().Be(ApplyOutcome.RolledBack);

        machine.Rollback().Gpus.Should().HaveCount(2).And.OnlyContain(g => g.Outcome == ApplyOutcome.Applied);

        machine.Describe().Should().Equal(start);
    }

    /// <summary>A dead apply has made its 1g; the next one fails before it makes a 3g, which an operator then makes himself.</summary>
    [Fact]
    public void An_instance_that_was_only_planned_is_not_ours()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        machine.Apply("+19:6").IsSuccess.Should().BeTrue();
        LeaveUnfinished(machine);
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown));
        machine.Apply("+9:0").Gpus[0].Outcome.Should().Be(ApplyOutcome.RolledBack);
        machine.Simulator.SetFaults();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb"), new Placement(0, 4)).CreateComputeInstance();

        // What died is remembered as it was: the same again makes no second one, and the way back takes what it has made and nothing else.
        machine.Apply("+19:6", machine.Options with { DryRun = true }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Unchanged);
        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.LeftAlone.Should().ContainSingle().Which.Should().StartWith("GPU instance 1 (3g.20gb at 0:4) is there");
        machine.Gpu.GetGpuInstances().Select(i => i.Placement.ToString()).Should().Equal("0:4");
    }

    /// <summary>
    /// The first of two is made and cannot be taken back, since it is used by then; the second an operator makes himself.
    /// </summary>
    [Fact]
    public void Only_the_remains_of_a_failed_rollback_are_undone_later()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });
        IDisposable? job = null;
        machine.Apply("19:0,9:4", null, p =>
        {
            if (p is { Number: 3, IsRollback: false })
                job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevices()[0], 4711, "train");
        }).Gpus[0].Outcome.Should().Be(ApplyOutcome.NotRestored);
        job!.Dispose();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("3g.20gb"), new Placement(4, 4)).CreateComputeInstance();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied, gpu.Message);
        machine.Gpu.GetGpuInstances().Select(i => i.Placement.ToString()).Should().Equal("4:4");
    }

    /// <summary>As a death before its end leaves the record of an apply.</summary>
    private static void LeaveUnfinished(ApplyMachine machine)
    {
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace("\"isFinished\": true", "\"isFinished\": false"));
    }

    /// <summary>
    /// The driver gives the lowest free id, and UUIDs follow from it: the gap has to be held while the second one is made.
    /// </summary>
    [Fact]
    public void A_gap_between_the_ids_of_compute_instances_comes_back_too()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4/1c:0/1c:1/1c:2", [], ""));
        machine.Gpu.GetGpuInstances()[0].GetComputeInstances().Single(c => c.Id == 1).Destroy();
        string[] start = machine.Describe();
        machine.Apply("7g.40gb").IsSuccess.Should().BeTrue();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied, gpu.Message);
        machine.Describe().Should().Equal(start);
    }

    /// <summary>Here no slice is free to hold the gap: the ids cannot come back, but all the instances can.</summary>
    [Fact]
    public void A_gap_of_ids_that_nothing_can_hold_costs_an_id()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "5/1c:0/1c:1/1c:2/1c:3", [], ""));
        GpuInstance half = machine.Gpu.GetGpuInstances()[0];
        foreach (ComputeInstance first in half.GetComputeInstances().Take(2))
            first.Destroy();
        half.CreateComputeInstance(half.GetComputeInstanceProfile("2c"));
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown));

        GpuApplyResult gpu = machine.Apply("7g.40gb").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.RollbackSteps.Should().OnlyContain(s => s.Outcome == ApplyStepOutcome.Done);
        gpu.Differences.Should().NotBeEmpty().And.OnlyContain(d => d.Contains("should have the id ") || d.Contains(" is MIG device "));
        machine.Truth()[0].Instances[0].ComputeInstances.Select(c => c.Placement).Should()
            .BeEquivalentTo([new Placement(0, 2), new Placement(2, 1), new Placement(3, 1)]);
    }

    /// <summary>What was to hold the gap is not made: what gets its id instead is not destroyed for it.</summary>
    [Fact]
    public void A_filler_that_could_not_be_created_costs_no_instance()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4/1c:0/1c:1/1c:2", [], ""));
        machine.Gpu.GetGpuInstances()[0].GetComputeInstances().Single(c => c.Id == 1).Destroy();
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown),
            NvmlFault.Return("nvmlGpuInstanceCreateComputeInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });

        GpuApplyResult gpu = machine.Apply("7g.40gb").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.RollbackSteps.Should()
            .Contain(s => s.Step.Kind == LayoutStepKind.DestroyComputeInstance && s.Outcome == ApplyStepOutcome.NotTried);
        machine.Truth()[0].Instances[0].ComputeInstances.Select(c => c.Placement).Should()
            .BeEquivalentTo([new Placement(0, 1), new Placement(2, 1)]);
    }

    [Fact]
    public void A_mode_that_waited_for_a_reset_waits_again()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "+vm");
        machine.Gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Pending);
        string[] start = machine.Describe();
        int resets = 0;
        ApplyOptions resetting = machine.Options with
        {
            ResetGpu = (_, _) =>
            {
                resets++;
                machine.Simulator.Reboot();
                return Task.CompletedTask;
            },
        };
        machine.Apply("9", resetting).IsSuccess.Should().BeTrue();

        GpuApplyResult gpu = machine.Rollback(resetting).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied, gpu.Message);
        machine.Describe().Should().Equal(start);
        resets.Should().Be(2, "once to enable it, once to disable it");
    }

    [Fact]
    public void A_lost_gpu_keeps_no_other_from_being_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "", [], ""));
        string[] start = machine.Describe();
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace(machine.Gpu.Uuid, "GPU-00000000-0000-0000-0000-000000000000"));

        ApplyResult result = machine.Rollback();

        result.Gpus.Should().ContainSingle().Which.Outcome.Should().Be(ApplyOutcome.Applied);
        machine.Describe()[1].Should().Be(start[1]);
        result.Error.Should().BeOfType<NvmlNotFoundException>().Which.Message.Should()
            .StartWith("GPU GPU-00000000-0000-0000-0000-000000000000 is not rolled back and stays recorded: ");
        File.ReadAllText(file).Should().Contain("GPU-00000000").And.NotContain(machine.Session.Devices[1].Uuid);
    }

    [Fact]
    public void All_lost_gpus_are_named()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*3", "", [], ""));
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        string[] uuids = [.. machine.Session.Devices.Select(g => g.Uuid)];
        Lose(machine, 0);
        Lose(machine, 1);

        foreach (bool named in (bool[])[true, false])
        {
            machine.Reopen();
            ApplyResult result = named
                ? machine.Rollback(machine.Session.Devices[0], machine.Session.Devices[1], machine.Session.Devices[2])
                : machine.Rollback();

            result.Gpus.Select(g => g.Gpu.Index).Should().Equal(named ? [2] : []);
            NvmlException error = result.Error.Should().BeOfType<NvmlException>().Which;
            error.Code.Should().Be(NvmlReturnCode.GpuIsLost);
            foreach (string gpu in named ? ["GPU 0", "GPU 1"] : (string[])[uuids[0], uuids[1]])
                error.Message.Should().Contain($"{gpu} is not rolled back and stays recorded: ");
        }

        machine.Session.Devices[2].GetGpuInstances().Should().BeEmpty();
    }

    private static void Lose(ApplyMachine machine, int gpu)
    {
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMemoryInfo_v2"));
        machine.Session.Devices[gpu].Invoking(g => g.GetMemory()).Should().Throw<NvmlException>();
        machine.Simulator.SetFaults();
    }

    /// <summary>All steps are done, and only reading back fails: what was asked for is there.</summary>
    [Fact]
    public void A_read_that_fails_at_the_end_fails_no_rollback()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        string[] start = machine.Describe();
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 2 },
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 3 });

        machine.Rollback().Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied);
        machine.Describe().Should().Equal(start);
    }

    [Fact]
    public void A_dry_run_leaves_no_trace()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        string nowhere = Path.Combine(machine.JournalFolder, "nowhere");

        machine.Rollback(machine.Options with { DryRun = true, JournalFolder = nowhere }).Gpus.Should().BeEmpty();
        Directory.Exists(nowhere).Should().BeFalse();
        machine.Apply("9").IsSuccess.Should().BeTrue();
        machine.Rollback(machine.Options with { DryRun = true }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Planned);
    }

    [Fact]
    public void A_folder_that_others_could_have_filled_is_refused()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        string shared = Directory.CreateDirectory(Path.Combine(machine.JournalFolder, "shared")).FullName;
        File.SetUnixFileMode(shared, (UnixFileMode)0x1FF);
        string linked = Directory.CreateDirectory(Path.Combine(machine.JournalFolder, "linked")).FullName;
        File.CreateSymbolicLink(Path.Combine(linked, "lock"), Path.Combine(machine.JournalFolder, "target"));

        foreach (string folder in (string[])[shared, linked])
            machine.Invoking(m => m.Apply("9", m.Options with { JournalFolder = folder })).Should().Throw<JournalException>();

        File.Exists(Path.Combine(machine.JournalFolder, "target")).Should().BeFalse();
        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void A_way_back_that_fails_can_be_taken_again()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:0,9:4", [], ""));
        string[] before = machine.Describe();
        machine.Apply("19*7").IsSuccess.Should().BeTrue();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });

        GpuApplyResult gpu = machine.Rollback().Gpus[0];
        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Differences.Should().Equal("GPU instance 2 (3g.20gb at 4:4) is missing.");

        machine.Rollback().IsSuccess.Should().BeTrue();
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void Only_the_gpus_that_are_named_are_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "9", [], ""));
        string[] before = machine.Describe();
        machine.Apply("19").IsSuccess.Should().BeTrue();

        machine.Rollback(machine.Session.Devices[1]).Gpus.Should().ContainSingle();

        machine.Describe()[1].Should().Be(before[1]);
        machine.Describe()[0].Should().NotBe(before[0]);
    }

    [Fact]
    public void The_journal_is_written_first_and_private()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        List<bool> wasThere = [];

        machine.Apply("9", null, _ => wasThere.Add(File.Exists(file)));

        wasThere.Should().OnlyContain(there => there);
        File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.ReadAllText(file).Should().Contain("\"version\": 2").And.Contain("\"spec\": \"9\"").And.Contain("\"isFinished\": true");
    }

    [Fact]
    public void Two_appliers_exclude_each_other()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        List<Exception?> second = [];

        machine.Apply("9", null, _ => second.Add(Record.Exception(() => machine.Apply("19"))));

        second.Should().NotBeEmpty().And.AllBeOfType<JournalException>();
        second.Cast<JournalException>().Should().OnlyContain(e => e.IsLocked);
        machine.Apply("19").IsSuccess.Should().BeTrue("the first is done");
    }

    [Theory]
    [InlineData(
        "{ \"version\": 1, \"started\": \"2030-01-01T00:00:00Z\", \"gpus\": [] }",
        "*is a record of version 1; this program reads version 2. Nothing was changed.*")]
    [InlineData("not json", "*apply.json cannot be read: *Nothing was changed.*")]
    [InlineData(
        "{ \"version\": 2, \"started\": \"2030-01-01T00:00:00Z\", \"gpus\": [null] }",
        "*apply.json cannot be read: *Nothing was changed.*")]
    [InlineData(
        "{ \"version\": 2, \"started\": \"2030-01-01T00:00:00Z\", \"gpus\": [{ \"uuid\": \"GPU-1\", \"spec\": null, \"before\": { "
            + "\"mode\": { \"current\": true, \"pending\": true }, \"instances\": [] }, \"goal\": { \"mode\": { \"current\": true, "
            + "\"pending\": true }, \"instances\": [] }, \"own\": [null], \"isFinished\": true }] }",
            "*apply.json cannot be read: An instance in it makes no sense. Nothing was changed.*")]
    public void A_record_that_cannot_be_read_is_not_touched(string text, string message)
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        File.WriteAllText(Path.Combine(machine.JournalFolder, "apply.json"), text);

        machine.Invoking(m => m.Apply("9")).Should().Throw<JournalException>().WithMessage(message);

        machine.MutatingCalls().Should().Be(0);
        File.ReadAllText(Path.Combine(machine.JournalFolder, "apply.json")).Should().Be(text);
    }

    [Fact]
    public void Nothing_is_done_without_a_journal()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        machine.Invoking(m => m.Apply("9", m.Options with { JournalFolder = "/proc/nowhere" })).Should().Throw<JournalException>()
            .WithMessage("The layout cannot be recorded in /proc/nowhere, and nothing is changed without that: *");

        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void An_exported_layout_makes_the_same_layout()
    {
        foreach (string model in (string[])[A100, "A30", "H100-SXM5-80GB", "RTX-PRO-6000-Server"])
        {
            using ApplyMachine machine = ApplyMachine.Start(new Scenario(model, "", [], ""));
            GpuGeometry geometry = machine.Gpu.ReadGeometry();
            Random random = new(5);
            for (int i = 0; i < 12; i++)
            {
                // Some instances anywhere, as far as there is room for them.
                string spec = string.Join(
                    ',',
                    geometry.Profiles.OrderBy(_ => random.Next()).Take(3)
                        .Select(p => $"+{p.Profile.Id}{(p.Profile.SliceCount > 1 && random.Next(3) == 0 ? "/1c" : "")}"));
                if (!machine.Apply(spec).IsSuccess)
                    continue;
                string[] there = machine.Describe();
                string exported = LayoutSpec.For(machine.Gpu.ReadSnapshot()).ToString();

                machine.Apply("").IsSuccess.Should().BeTrue();
                machine.Reopen();
                machine.Apply(exported).IsSuccess.Should().BeTrue(exported);

                machine.Describe().Should().Equal(there, exported);
                if (random.Next(2) == 0)
                    machine.Apply("").IsSuccess.Should().BeTrue();
            }
        }
    }
}
