using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Leasing.Tests.Mps;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Each part of a device has what it was promised, whatever the others and the device's daemon do.</summary>
public sealed class SharedDeviceTests : SharingMachine
{
    public SharedDeviceTests()
        : base("H100-NVL-94GB*2")
    {
    }

    [Fact]
    public async Task Memory_that_is_kept_is_there_when_all_others_take_theirs()
    {
        LeaseManager manager = await OpenAsync();
        Random random = new(17);
        List<GrantedLease> parts = [];
        for (int i = 0; i < 40; i++)
        {
            long request = random.Next(1, 40) * 1024;
            long limit = request + (random.Next(3) * 10_240);
            Fraction wanted = new() { MemoryRequestMiB = request, MemoryLimitMiB = limit, Mode = FractionMode.Equal };
            Claim claim = LeaseMachine.Want($"part-{i}", "gpu", uid: User) with { Fraction = wanted };
            if ((await manager.TryClaimAsync(claim, LeaseHold.UntilReleased)).Lease is { } lease)
                parts.Add(lease);
            if (parts.Count > 3)
            {
                await manager.ReleaseAsync(parts[0].Id);
                parts.RemoveAt(0);
            }

            foreach (GrantedLease[] device in parts.GroupBy(p => p.Fraction!.Device).Select(group => group.ToArray()))
            {
                foreach (GrantedLease part in device)
                {
                    long others = device.Where(o => o != part).Sum(o => o.Fraction!.MemoryLimitMiB!.Value);
                    (part.Fraction!.MemoryRequestMiB + others).Should().BeLessThanOrEqualTo(MpsBudget.UsableMiB(95_830));
                }
            }
        }

        parts.Select(p => p.Fraction!.Device).Distinct().Count().Should().BeLessThan(parts.Count, "some share");
    }

    [Fact]
    public async Task A_limit_below_the_part_is_refused()
    {
        LeaseManager manager = await OpenAsync();
        Claim claim = Quarter("a") with { Fraction = new Fraction { Share = 0.5m, MemoryLimitMiB = 1024 } };

        Func<Task> ask = () => manager.ClaimAsync(claim, LeaseHold.UntilReleased);

        (await ask.Should().ThrowAsync<LeaseException>())
            .WithMessage("*The limit of 1538 MiB, context included, is less than the * MiB asked for.*");
    }

    [Fact]
    public async Task A_part_that_comes_later_has_its_minimum_runtime()
    {
        LeaseManager manager = await OpenAsync();
        Claim preemptible = Quarter("first") with { IsPreemptible = true, Gpus = [Machine.Gpu.Uuid] };
        Claim urgent = LeaseMachine.Want("urgent", "gpu") with { Priority = 5, Gpus = [Machine.Gpu.Uuid] };
        await manager.ClaimAsync(preemptible, LeaseHold.UntilReleased);
        Machine.Clock.Advance(TimeSpan.FromHours(2));
        await manager.ClaimAsync(preemptible with { Id = "second", MinimumRuntime = TimeSpan.FromHours(1) }, LeaseHold.UntilReleased);

        Task<GrantedLease> claim = manager.ClaimAsync(urgent, LeaseHold.UntilReleased);
        await Eventually.HoldsAsync(async () => (await manager.ReadAsync()).Waiting.Should().ContainSingle());

        (await manager.ReadAsync()).Leases.Should().OnlyContain(l => l.Ending == null);
        Machine.Clock.Advance(TimeSpan.FromHours(1.1));
        (await claim.WaitAsync(TimeSpan.FromSeconds(30))).Id.Should().Be("urgent");
        using LeaseReader reader = LeaseReader.Open(Machine.Options);
        reader.ReadEvents(0).Where(e => e.Kind == LeaseEventKind.Reclaiming).Select(e => e.Lease)
            .Should().BeEquivalentTo("shared-1", "first", "second");
    }

    [Fact]
    public async Task A_part_that_comes_later_is_not_idle_yet()
    {
        LeaseManager manager = await OpenAsync();
        await manager.SetQueueAsync(
            new LeaseQueue(LeaseOptions.DefaultQueue) { Idle = IdlePolicy.Release, IdleAfter = TimeSpan.FromMinutes(10) });
        await ClaimAsync(manager, "first");
        await manager.ReadAsync();
        Machine.Clock.Advance(TimeSpan.FromMinutes(9));

        await ClaimAsync(manager, "second");
        Machine.Clock.Advance(TimeSpan.FromMinutes(2));

        (await manager.ReadAsync()).Leases.Should().OnlyContain(l => l.Ending == null).And.HaveCount(3);
        Machine.Clock.Advance(TimeSpan.FromMinutes(10));
        (await manager.ReadAsync()).Leases.Should().BeEmpty();
    }

    [Fact]
    public async Task A_device_without_parts_is_free_before_its_grace_ends()
    {
        LeaseManager manager = await OpenAsync();
        await manager.SetPolicyAsync(new SchedulerOptions { WholeGpus = true, Grace = TimeSpan.FromHours(1) });
        HostProcess program = Machine.StartProgram();
        Claim preemptible = Quarter("first") with { IsPreemptible = true, Gpus = [Machine.Gpu.Uuid] };
        Claim urgent = LeaseMachine.Want("urgent", "gpu") with { Priority = 5, Gpus = [Machine.Gpu.Uuid] };
        await manager.ClaimAsync(preemptible, new LeaseHold(program));

        Task<GrantedLease> claim = manager.ClaimAsync(urgent, LeaseHold.UntilReleased);
        await Eventually.HoldsAsync(async () => (await manager.ReadAsync()).Leases.Should().OnlyContain(l => l.Ending != null));
        Machine.EndProgram(program);

        (await claim.WaitAsync(TimeSpan.FromSeconds(30))).Id.Should().Be("urgent");
    }

    [Fact]
    public async Task Without_a_daemon_a_part_stays_with_its_program()
    {
        LeaseManager manager = await OpenAsync();
        HostProcess program = Machine.StartProgram();
        await manager.ClaimAsync(Quarter("a"), new LeaseHold(program));
        Environment.SetEnvironmentVariable(MpsOptions.ProgramVariable, "/nowhere/nvidia-cuda-mps-control");

        await MpsMachine.KillAsync(Daemons()[0]);

        (await manager.ReadAsync()).Leases.Should().OnlyContain(
            l => l.Ending!.Reason == LeaseEndReason.Lost, "what the program starts would have all of the GPU");
        Machine.EndProgram(program);
        (await manager.ReadAsync()).Leases.Should().BeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_daemon_that_cannot_be_asked_keeps_no_GPU(bool isAnothers)
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease lease = (await ClaimAsync(manager, "a"))[0];
        string pipe = lease.Environment["CUDA_MPS_PIPE_DIRECTORY"];
        if (isAnothers)
            await MpsMachine.KillAsync(Daemons()[0]);

        foreach (string file in Directory.GetFiles(pipe))
            File.Delete(file);
        if (isAnothers)
            StartForeign(lease.Instances[0].MigUuid, pipe);

        await manager.ReleaseAsync("a");

        (await manager.ReadAsync()).Leases.Should().BeEmpty();
        Daemons().Should().BeEmpty();
        (await ClaimAsync(manager, "b"))[0].Instances[0].MigUuid.Should().Be(lease.Instances[0].MigUuid);
    }

    [Fact]
    public async Task A_server_that_has_failed_refuses_nobody()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease broken = (await ClaimAsync(manager, "a"))[0];
        MpsProgram program = Run(broken, memoryMiB: 64), hangs = Run(broken, memoryMiB: 64);
        (program.Server, hangs.Server).Should().NotBe((0, 0));
        using (Process stop = Process.Start("kill", ["-STOP", $"{hangs.Id}"]))
            await stop.WaitForExitAsync();
        program.Break();
        await Eventually.HoldsAsync(() => Run(broken, memoryMiB: 64).StartError.Should().NotBeNull("the server is in FAULT"));

        GrantedLease other = (await ClaimAsync(manager, "b"))[0];

        other.Instances[0].MigUuid.Should().NotBe(broken.Instances[0].MigUuid, "another GPU is free");
    }

    [Fact]
    public async Task A_server_that_has_failed_is_replaced_when_it_is_empty()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease lease = (await ClaimAsync(manager, "a"))[0];
        await manager.ReadAsync();
        MpsProgram program = Run(lease, memoryMiB: 64);
        int? server = program.Server;
        program.Break();
        await Eventually.HoldsAsync(() => Run(lease, memoryMiB: 64).StartError.Should().NotBeNull("the server is in FAULT"));
        program.Kill();
        Machine.Clock.Advance(TimeSpan.FromSeconds(2));

        await manager.ReadAsync();

        MpsProgram next = Run(lease, memoryMiB: 64);
        next.Multiprocessors.Should().Be(32);
        next.Server.Should().NotBe(server);
    }

    [Fact]
    public async Task Another_daemon_keeps_parts_away_from_its_GPU_only()
    {
        string pipe = Path.Combine(Path.GetDirectoryName(Machine.MpsFolder)!, "others");
        StartForeign(Machine.Gpu.Uuid, pipe);
        LeaseManager manager = await OpenAsync();

        GrantedLease lease = (await ClaimAsync(manager, "a"))[0];
        Func<Task> ask = () => manager.ClaimAsync(Quarter("b") with { Gpus = [Machine.Gpu.Uuid] }, LeaseHold.UntilReleased);

        lease.Instances[0].MigUuid.Should().Be(Machine.Session.Devices[1].Uuid);
        lease.Lease.Claim.Gpus.Should().BeEmpty("that is the claim as it was made");
        (await ask.Should().ThrowAsync<LeaseException>()).WithMessage("*An MPS daemon that leasing did not start may serve it*");
        Claim byNeed = Quarter("c") with
        {
            Requests = [InstanceRequest.Of(new InstanceNeed { MemoryMiB = 8000 })],
            Gpus = [Machine.Gpu.Uuid],
        };
        Func<Task> askByNeed = () => manager.ClaimAsync(byNeed, LeaseHold.UntilReleased);
        (await askByNeed.Should().ThrowAsync<LeaseException>()).WithMessage("*An MPS daemon that leasing did not start may serve it*");
        await ClaimAsync(manager, "d", "e", "f");
        (await manager.TryClaimAsync(Quarter("g"), LeaseHold.UntilReleased)).Waiting!.Message.Should().Contain("has no room for it");
        MpsHost.FindDaemonsIn(pipe)[0].Kill();
    }

    [Fact]
    public async Task Another_daemon_keeps_parts_away_from_its_MIG_device()
    {
        Machine.Gpu.EnableMig();
        string pipe = Path.Combine(Path.GetDirectoryName(Machine.MpsFolder)!, "others");
        LeaseManager manager = await OpenAsync();
        Claim half = LeaseMachine.Want("a", "7g.94gb", uid: User) with { Fraction = new Fraction { Share = 0.5m } };
        GrantedLease first = await manager.ClaimAsync(half, LeaseHold.UntilReleased);
        await manager.ReleaseAsync("a");
        StartForeign(first.Instances[0].MigUuid, pipe);

        Func<Task> ask = () => manager.ClaimAsync(half with { Id = "b" }, LeaseHold.UntilReleased);

        (await ask.Should().ThrowAsync<LeaseException>()).WithMessage("7g.94gb cannot be shared so: An MPS daemon that leasing did not*");
        MpsHost.FindDaemonsIn(pipe)[0].Kill();
    }

    [Fact]
    public async Task A_process_that_does_not_say_is_of_its_parents_part()
    {
        LeaseManager manager = await OpenAsync();
        GrantedLease[] leases = await ClaimAsync(manager, "a", "b");
        ProcessStartInfo start = new("sh", ["-c", "env -i sleep 600 & echo $!; wait"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in leases[0].Environment)
            start.Environment[name] = value;
        using Process shell = Process.Start(start)!;
        int id = int.Parse((await shell.StandardOutput.ReadLineAsync())!, CultureInfo.InvariantCulture);
        using IDisposable use = Machine.Simulator.StartProcess(Machine.Gpu.Index, id, "worker", memoryMiB: 900);
        GpuProcess worker = Machine.Gpu.GetProcesses().Single(p => p.ProcessId == id);

        leases.Select(l => l.IsUsedBy(worker)).Should().Equal(true, false);
        shell.Kill(entireProcessTree: true);
    }
}
