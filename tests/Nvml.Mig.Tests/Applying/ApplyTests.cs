using System.Text.Json.Nodes;
using Nvml.Mig.Applying;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Applying;

public class ApplyTests
{
    private const string A100 = "A100-SXM4-40GB";

    [Fact]
    public void A_layout_is_applied_once()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        ApplyResult result = machine.Apply("3g.20gb,1g.5gb*3");

        GpuApplyResult gpu = result.Gpus.Should().ContainSingle().Which;
        gpu.Outcome.Should().Be(ApplyOutcome.Applied);
        gpu.Steps.Select(s => s.Step.ToString()).Should()
            .StartWith(["enable MIG", "create GPU instance 1g.5gb at 0:1", "create compute instance 1g.5gb in GPU instance 1g.5gb at 0:1"]);
        gpu.Steps.Should().HaveCount(9).And.OnlyContain(s => s.Outcome == ApplyStepOutcome.Done && s.Attempts == 1 && s.Error == null);
        machine.Gpu.GetGpuInstances().Select(i => i.ToString().Split(" of ")[0]).Should().Equal(
            "GPU instance 2 (3g.20gb at 4:4)",
            "GPU instance 7 (1g.5gb at 0:1)",
            "GPU instance 8 (1g.5gb at 1:1)",
            "GPU instance 9 (1g.5gb at 2:1)");

        gpu.After!.Instances.SelectMany(i => i.ComputeInstances).Select(c => c.MigUuid).Should()
            .BeEquivalentTo(machine.Gpu.GetMigDevices().Select(d => d.Uuid));

        long before = machine.MutatingCalls();
        machine.Apply("3g.20gb,1g.5gb*3").Gpus[0].Outcome.Should().Be(ApplyOutcome.Unchanged);
        machine.MutatingCalls().Should().Be(before);
    }

    [Fact]
    public void Instances_in_use_stay_and_so_do_harmless_ones()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:0,19:4,19:5", [0], ""));

        machine.Apply("3g.20gb,2g.10gb,1g.5gb").IsSuccess.Should().BeTrue();

        machine.Gpu.GetMigDevices().Select(d => d.Uuid).Should().Contain(machine.InUse);
        GpuSnapshot state = machine.Gpu.ReadSnapshot();
        state.GetInstance(1).IsAnythingInUse.Should().BeTrue();
    }

    [Fact]
    public void A_process_in_the_way_is_named_and_nothing_changed()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "9,9", [], ""));
        machine.Use(machine.Session.Devices[1].GetMigDevices()[1]);
        string[] start = machine.Describe();

        ApplyResult result = machine.Apply("1g.5gb*7");

        result.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.NotTried, ApplyOutcome.Refused);
        result.Gpus[1].Message.Should()
            .Be("GPU instance 2 (3g.20gb at 4:4) is in use by process 4711 (train) and in the way. Nothing was changed.");
        machine.Describe().Should().Equal(start);
        Directory.GetFiles(machine.JournalFolder).Select(Path.GetFileName).Should()
            .Equal(["lock"], "nothing was changed, so there is nothing to record");
    }

    [Fact]
    public void A_layout_without_room_is_refused_with_reasons()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        GpuApplyResult gpu = machine.Apply("4g.20gb*2").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Refusal!.Reason.Should().Be(PlanRefusalReason.NoRoom);
        machine.Gpu.GetMigMode().Current.Should().BeFalse();
    }

    [Fact]
    public void A_process_on_the_whole_gpu_is_named_beforehand()
    {
        using ApplyMachine machine = ApplyMachine.Start("H200");
        using IDisposable process = machine.Simulator.StartProcess(0, 99, "python");

        GpuApplyResult gpu = machine.Apply("1g.18gb").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should().Match("GPU 0 (GPU-*) is in use as a whole by process 99 (python) and cannot be divided. Nothing was changed.");
        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void A_dry_run_changes_and_writes_nothing()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        ApplyResult result = machine.Apply("1g.5gb", machine.Options with { DryRun = true, JournalFolder = "/proc/nowhere" });

        result.Gpus[0].Outcome.Should().Be(ApplyOutcome.Planned);
        result.Gpus[0].Steps.Select(s => s.Outcome).Should()
            .Equal(ApplyStepOutcome.NotTried, ApplyStepOutcome.NotTried, ApplyStepOutcome.NotTried);
        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void Disabling_mig_is_part_of_a_layout()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9,19", [], ""));

        GpuApplyResult gpu = machine.Apply(null).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied);
        gpu.Steps.Select(s => s.Step.Kind).Should().EndWith(LayoutStepKind.DisableMig);
        machine.Gpu.GetMigMode().Should().Be(new MigMode(false, false));
    }

    [Fact]
    public void Only_the_mode_can_be_asked_for()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "9", [], ""));
        machine.Session.Devices[1].GetGpuInstances()[0].GetComputeInstances()[0].Destroy();
        machine.Session.Devices[1].GetGpuInstances()[0].Destroy();
        machine.Session.Devices[1].DisableMig();

        ApplyResult result = machine.ApplyTo([.. machine.Session.Devices.Select(g => new GpuTarget(g, null))]);

        result.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.Unchanged, ApplyOutcome.Applied);
        machine.Session.Devices[0].GetGpuInstances().Should().ContainSingle();
    }

    [Fact]
    public void A_failure_takes_the_gpu_back_and_the_others_finish()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*3", "9,19", [], ""));
        string[] start = machine.Describe();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 4 });

        ApplyResult result = machine.Apply("1g.5gb*7");

        result.IsSuccess.Should().BeFalse();
        result.Gpus.Select(g => g.Outcome).Should().BeEquivalentTo([ApplyOutcome.Applied, ApplyOutcome.Applied, ApplyOutcome.RolledBack]);
        GpuApplyResult failed = result.Gpus.Single(g => g.Outcome == ApplyOutcome.RolledBack);
        failed.Error.Should().BeOfType<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.Unknown);
        failed.Message.Should()
            .Match("Cannot create a GPU instance 1g.5gb (profile 19) at *: Unknown Error (NVML_ERROR_UNKNOWN, 999, from "
                + "nvmlDeviceCreateGpuInstanceWithPlacement). *The GPU is as it was before.");
        failed.Steps.Select(s => s.Outcome).Should().Contain([ApplyStepOutcome.Undone, ApplyStepOutcome.Failed, ApplyStepOutcome.NotTried]);
        machine.ShouldBeTrue(result, "1g.5gb*7", start, "of one failure");
    }

    [Fact]
    public void All_or_nothing_takes_the_others_back_too()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*4", "9,19", [], ""));
        string[] start = machine.Describe();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 9 });

        ApplyResult result = machine.Apply("1g.5gb*7", machine.Options with { AllOrNothing = true });

        machine.Describe().Should().Equal(start);
        result.Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.RolledBack || g.Outcome == ApplyOutcome.NotTried);
        result.Gpus.Where(g => g.Error is OperationCanceledException).Should()
            .HaveCount(3).And.OnlyContain(g => g.Message.Contains("failed, and it was to be all or nothing."));
    }

    [Fact]
    public void A_callback_that_throws_keeps_no_gpu_from_its_way_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "+vm," + A100);
        using CancellationTokenSource cancellation = new();

        ApplyResult result = machine.Apply("19", machine.Options with
        {
            AllOrNothing = true,
            ResetGpu = async (_, token) =>
            {
                await using CancellationTokenRegistration heard = token.Register(() => throw new InvalidOperationException("not now"));
                Task cancelling = cancellation.CancelAsync();
                await Task.Delay(Timeout.Infinite, token);
                await cancelling;
            },
        }, cancellationToken: cancellation.Token);

        result.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.RolledBack, ApplyOutcome.NotTried);
        machine.Truth().Should().OnlyContain(l => l.Instances.Count == 0 && l.Mode == new MigMode(false, false));
    }

    [Fact]
    public void A_failure_that_passes_is_tried_again()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Timeout),
            NvmlFault.Return("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.InUse) with { Nth = 2 });

        GpuApplyResult gpu = machine.Apply("7g.40gb", machine.Options with { Timeout = Timeout.InfiniteTimeSpan }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied);
        gpu.Steps[^1].Should().Match<ApplyStepResult>(s => s.Outcome == ApplyStepOutcome.Done && s.Attempts == 3);
        gpu.Steps[^1].Error.Should().BeOfType<NvmlInUseException>();
    }

    [Fact]
    public void A_gpu_that_waits_keeps_no_other_from_being_changed()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*3", "9", [], ""));
        using IDisposable held = machine.Simulator.HoldGpu(0);
        int done = 0;

        ApplyResult result = machine.Apply("19", machine.Options with { Timeout = TimeSpan.FromMinutes(1) }, p =>
        {
            if (p is { Outcome: ApplyOutcome.Applied, Gpu.Index: not 0 } && ++done == 2)
                held.Dispose();
        });

        result.IsSuccess.Should().BeTrue();
        result.Gpus[0].Steps.Should().Contain(s => s.Attempts > 1);
    }

    [Fact]
    public void Pauses_between_attempts_go_by_the_clock_that_is_given()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        using IDisposable held = machine.Simulator.HoldGpu(0);
        FastClock clock = new();

        GpuApplyResult gpu = machine.Apply("19", machine.Options with { Timeout = TimeSpan.FromHours(1), TimeProvider = clock }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack);
        clock.Elapsed.Should().BeGreaterThan(TimeSpan.FromHours(1)).And.BeLessThan(TimeSpan.FromHours(1.1));
    }

    /// <summary>Its time passes only when somebody waits, and then at once.</summary>
    private sealed class FastClock : TimeProvider
    {
        private long _ticks;

        public TimeSpan Elapsed => TimeSpan.FromTicks(Interlocked.Read(ref _ticks));

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Interlocked.Add(ref _ticks, Math.Max(0, dueTime.Ticks));
            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }

    [Fact]
    public void A_call_that_fails_after_it_took_effect_is_done()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { AfterEffect = true });

        GpuApplyResult gpu = machine.Apply("7g.40gb").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied);
        gpu.Steps[1].Should().Match<ApplyStepResult>(s => s.Outcome == ApplyStepOutcome.Done && s.Attempts == 1 && s.Error != null);
    }

    [Fact]
    public void A_client_that_nvml_does_not_show_is_said_to_be_one()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string[] start = machine.Describe();
        using IDisposable held = machine.Simulator.HoldGpu(0);

        GpuApplyResult refused = machine.Apply("19").Gpus[0];

        refused.Outcome.Should().Be(ApplyOutcome.RolledBack);
        refused.Error!.Message.Should().Contain("It is held by a client that NVML does not show.");
        machine.Describe().Should().Equal(start);
    }

    [Fact]
    public void A_gpu_is_reset_where_its_mode_waits_for_that()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "+vm");

        // A virtual machine cannot reset it: a reboot stands in for what its host would do.
        List<string> reset = [];
        GpuApplyResult gpu = machine.Apply("7g.40gb", machine.Options with
        {
            ResetGpu = (g, _) =>
            {
                reset.Add(g.Uuid);
                machine.Simulator.Reboot();
                return Task.CompletedTask;
            },
        }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Applied, gpu.Message);
        reset.Should().Equal(machine.Gpu.Uuid);
    }

    [Fact]
    public void A_reset_that_fails_is_a_failure_like_any_other()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "+vm");

        GpuApplyResult gpu = machine.Apply(
            "7g.40gb", machine.Options with { ResetGpu = (_, _) => throw new InvalidOperationException("no nvidia-smi") }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack);
        gpu.Error.Should().BeOfType<InvalidOperationException>();
    }

    /// <summary>A job that starts once the plan is made, and ends within the patience: its instance is not taken then.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_that_starts_meanwhile_is_waited_for_if_allowed(bool allowed)
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string[] start = machine.Describe();
        int id = machine.Gpu.GetGpuInstances()[0].Id;
        Task? job = null;

        GpuApplyResult gpu = machine.ApplyTo(
            [new GpuTarget(machine.Gpu, LayoutSpec.Parse("19")) { AllowInUse = allowed ? [id] : [] }],
            machine.Options with { Timeout = TimeSpan.FromSeconds(30) },
            _ => job ??= RunJob(machine)).Gpus[0];

        await job!;
        gpu.Outcome.Should().Be(allowed ? ApplyOutcome.Applied : ApplyOutcome.RolledBack, gpu.Message);
        if (allowed)
            return;
        gpu.Error.Should().BeOfType<NvmlInUseException>().Which.Message.Should()
            .Contain("is in use by process 4711 (train) and in the way.");
        machine.Describe().Should().Equal(start);
    }

    /// <summary>What this apply has made and somebody already works on: the way back does not wait for him to take it then.</summary>
    [Fact]
    public async Task The_way_back_waits_out_no_job_either()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });
        Task? job = null;

        GpuApplyResult gpu = machine.Apply("9,9", machine.Options with { Timeout = TimeSpan.FromSeconds(30) }, p =>
        {
            if (p is { Number: 3, IsRollback: false })
                job = RunJob(machine);
        }).Gpus[0];

        await job!;
        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Differences.Should().ContainSingle().Which.Should().EndWith("is there and should not be.");
        machine.Gpu.GetMigDevices().Should().ContainSingle();
        machine.Rollback().IsSuccess.Should().BeTrue("the job is done, and now somebody asks for it");
    }

    /// <summary>A process on the first MIG device, which ends soon.</summary>
    private static async Task RunJob(ApplyMachine machine)
    {
        using IDisposable job = machine.Simulator.StartProcess(machine.Gpu.GetMigDevices()[0], 4711, "train");
        await Task.Delay(300);
    }

    [Fact]
    public void A_cancellation_takes_back_what_is_not_done()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9,9", [], ""));
        string[] start = machine.Describe();
        using CancellationTokenSource cancellation = new();

        GpuApplyResult gpu = machine.Apply(
            "1g.5gb*7", null, p => (p is { Number: 6, IsRollback: false } ? cancellation : null)?.Cancel(), cancellation.Token).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack);
        gpu.Error.Should().BeOfType<OperationCanceledException>();
        gpu.Steps.Count(s => s.Outcome == ApplyStepOutcome.Undone).Should().Be(6, "the step under way is finished");
        machine.Describe().Should().Equal(start);
        cancellation.IsCancellationRequested.Should().BeTrue();
    }

    [Fact]
    public async Task A_cancellation_between_two_attempts_is_followed_by_none()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string[] start = machine.Describe();
        using CancellationTokenSource cancellation = new();
        using IDisposable held = machine.Simulator.HoldGpu(0);
        const string Destroy = "nvmlComputeInstanceDestroy";

        Task<ApplyResult> apply = Task.Run(() => machine.Apply(
            "19",
            machine.Options with { Timeout = TimeSpan.FromMinutes(1), RetryDelay = TimeSpan.FromMilliseconds(500) },
            null,
            cancellation.Token));
        SpinWait.SpinUntil(() => machine.Simulator.GetCallCount(Destroy) > 0 || apply.IsCompleted);
        await Task.Delay(50);
        held.Dispose(); // another attempt would destroy it
        await cancellation.CancelAsync();

        GpuApplyResult gpu = (await apply).Gpus[0];
        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack);
        gpu.Error.Should().BeOfType<OperationCanceledException>().Which.InnerException.Should().BeOfType<NvmlInUseException>();
        machine.Simulator.GetCallCount(Destroy).Should().Be(1);
        machine.Describe().Should().Equal(start);
    }

    [Fact]
    public async Task A_cancellation_before_the_first_change_changes_nothing()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        Func<Task> apply = () =>
            LayoutApplier.ApplyAsync(machine.Targets("9"), machine.Options, cancellationToken: new CancellationToken(canceled: true));

        await apply.Should().ThrowAsync<OperationCanceledException>();
        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void Progress_tells_each_step_and_the_end()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        List<string> heard = [];

        machine.Apply("7g.40gb", null, p => heard.Add($"{p.Number}/{p.Count} {p.Step} {p.Outcome}".TrimEnd()));

        heard.Should()
            .Equal(
                "1/3 enable MIG",
                "2/3 create GPU instance 7g.40gb at 0:8",
                "3/3 create compute instance 7g.40gb in GPU instance 7g.40gb at 0:8",
                "3/3",
                "3/3  Applied");
    }

    [Fact]
    public void An_instance_that_others_create_meanwhile_is_left_alone()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));

        GpuApplyResult gpu = machine.Apply("3g.20gb:4", null, p =>
        {
            if (p is { Number: 2, IsRollback: false, Step: not null })
                machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(0, 1));
        }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Error!.Message.Should()
            .Contain("does not have the planned layout, because of another client or the driver: GPU instance 7 (1g.5gb at 0:1) is "
                + "there and should not be.");
        gpu.Differences.Should().Equal("GPU instance 7 (1g.5gb at 0:1) is there and should not be.");
        machine.Gpu.GetGpuInstances().Select(i => i.Id).Should().Equal(7);
    }

    [Fact]
    public void An_instance_of_ours_in_use_already_is_left()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });

        GpuApplyResult gpu = machine.Apply("3g.20gb*2", null, p =>
        {
            if (p is { Number: 3, IsRollback: false })
                machine.Use(machine.Gpu.GetMigDevices()[0]);
        }).Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Steps.Select(s => s.Outcome).Should()
            .Equal(ApplyStepOutcome.Left, ApplyStepOutcome.Left, ApplyStepOutcome.Failed, ApplyStepOutcome.NotTried);
        gpu.RollbackError.Should().BeOfType<NvmlInUseException>().Which.Message.Should().Contain("is in use by process 4711 (train)");
        gpu.Differences.Should().Equal("GPU instance 1 (3g.20gb at 0:4) is there and should not be.");
    }

    [Fact]
    public void A_gpu_that_is_lost_on_the_way_is_reported_as_unknown()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "", [], ""));
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlGpuInstanceCreateComputeInstance"));

        ApplyResult result = machine.Apply("7g.40gb");

        GpuApplyResult lost = result.Gpus.Single(g => g.Outcome == ApplyOutcome.NotRestored);
        lost.After.Should().BeNull();
        lost.Differences.Should().ContainSingle().Which.Should().Contain("cannot be read");
        lost.RollbackError.Should().BeOfType<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.GpuIsLost);
        result.Gpus.Single(g => g != lost).Outcome.Should().Be(ApplyOutcome.Applied);
    }

    [Fact]
    public void A_gpu_that_does_not_answer_is_refused_alone()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "", [], ""));
        machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMemoryInfo_v2"));
        machine.Session.Devices[1].Invoking(g => g.GetMemory()).Should().Throw<NvmlException>();
        machine.Reopen();

        ApplyResult nothing = machine.Apply("9", machine.Options with { AllOrNothing = true });
        ApplyResult result = machine.Apply("9");

        nothing.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.NotTried, ApplyOutcome.Refused);
        result.Gpus.Select(g => g.Outcome).Should().Equal(ApplyOutcome.Applied, ApplyOutcome.Refused);
        result.IsSuccess.Should().BeFalse();
        result.Gpus[1].Error.Should().BeOfType<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.GpuIsLost);
    }

    [Fact]
    public void A_gpu_cannot_become_two_things()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        machine.Invoking(m => m.ApplyTo([new GpuTarget(m.Gpu, LayoutSpec.Parse("9")), new GpuTarget(m.Gpu, LayoutSpec.Parse("19"))]))
            .Should().Throw<ArgumentException>();
        machine.Invoking(m => m.ApplyTo([new GpuTarget(m.Gpu, LayoutSpec.Parse("9"), MigEnabled: false)])).Should()
            .Throw<ArgumentException>();
    }

    /// <summary>The call took effect, failed, and then the GPU could not be read: what it made is ours all the same.</summary>
    [Fact]
    public void An_unknown_effect_is_known_at_the_next_read()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
        string[] start = machine.Describe();
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { AfterEffect = true },
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 2 },
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 3 });

        GpuApplyResult gpu = machine.Apply("9").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack, gpu.Message);
        gpu.Steps[0].Outcome.Should().Be(ApplyStepOutcome.Undone);
        machine.Describe().Should().Equal(start);
    }

    /// <summary>The first step back took effect, failed, and the GPU could not be read: the next round sees what is left to do.</summary>
    [Fact]
    public void A_way_back_whose_steps_are_unknown_goes_by_what_stands_there()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        string[] start = machine.Describe();
        machine.Simulator.SetFaults(
            NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 },
            NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.Unknown) with { Nth = 2, AfterEffect = true },
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 4 },
            NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.Unknown) with { Nth = 5 });

        GpuApplyResult gpu = machine.Apply("19:0,19:1").Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.RolledBack, gpu.Message);
        machine.Describe().Should().Equal(start);
        gpu.RollbackSteps.Should().ContainSingle(s => s.Outcome == ApplyStepOutcome.Failed);
        gpu.Steps.Single(s => s.Error is not null).Outcome.Should()
            .Be(ApplyStepOutcome.Failed, "what became of a step back is not what became of this one");
    }

    [Fact]
    public void Contradicting_options_are_refused_first()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        foreach (ApplyOptions odd in (ApplyOptions[])[machine.Options with
        {
            RetryDelay = TimeSpan.FromMilliseconds(-5),
        },
        machine.Options with { RetryDelay = TimeSpan.FromDays(30) },
        machine.Options with { Timeout = -TimeSpan.FromDays(1) },
        machine.Options with { Quiesce = true }])
            machine.Invoking(m => m.Apply("9", odd)).Should().Throw<ArgumentException>();

        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void A_dry_run_knows_what_a_dead_apply_has_begun()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        LeaveUnfinished(machine);
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(0, 1));

        machine.Apply("+19:0", machine.Options with { DryRun = true }).Gpus[0].Outcome.Should().Be(ApplyOutcome.Unchanged);
    }

    [Fact]
    public void Instances_of_others_after_a_death_are_not_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        LeaveUnfinished(machine);
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(1, 1));

        GpuApplyResult finished = machine.Apply("+19:0").Gpus[0];
        GpuApplyResult back = machine.Rollback().Gpus[0];

        (finished.Outcome, back.Outcome).Should().Be((ApplyOutcome.Applied, ApplyOutcome.Applied));
        finished.LeftAlone.Should().Equal(back.LeftAlone).And.ContainSingle();
        machine.Truth()[0].Instances.Select(i => i.Placement.ToString()).Should().Equal("1:1", "3:1", "4:4");
    }

    /// <summary>As <c>+19:0</c> leaves the record when it dies before its end: the goal is what stands there, and that instance.</summary>
    private static void LeaveUnfinished(ApplyMachine machine)
    {
        machine.Apply("9:4,19:3").IsSuccess.Should().BeTrue();
        machine.Apply("9:4").IsSuccess.Should().BeTrue();
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        JsonNode record = JsonNode.Parse(File.ReadAllText(file))!;
        JsonNode gpu = record["gpus"]![0]!;
        gpu["isFinished"] = false;
        gpu["spec"] = "+19:0";
        JsonNode added = gpu["before"]!["instances"]!.AsArray().First(i => i!["placement"]!["start"]!.GetValue<int>() == 3)!.DeepClone();
        added["id"] = null;
        added["placement"]!["start"] = 0;
        added["computeInstances"] = new JsonArray();
        gpu["goal"]!["instances"]!.AsArray().Insert(0, added);
        File.WriteAllText(file, record.ToJsonString());
    }
}
