using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Tests;
using static Nvml.Mig.Leasing.Tests.Leases.LeaseMachine;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>Two managers with one book: claims are added by anybody at any time, also while another changes the book.</summary>
public class SharedBookTests
{
    [Fact]
    public async Task A_claim_in_between_undoes_no_change()
    {
        using LeaseMachine machine = new();
        LeaseManager other = await machine.OpenAsync();
        await other.ClaimAsync(Want("old", "3g.20gb"), LeaseHold.UntilReleased);
        WhenAsked inBetween = new();
        LeaseManager manager = await LeaseManager.OpenAsync(machine.Session, machine.Options with { TimeProvider = inBetween });
        Task<GrantedLease>? late = null;
        // The time is asked for when the book is changed and not yet written.
        inBetween.Next = () =>
        {
            late = other.ClaimAsync(Want("late", "3g.20gb"), LeaseHold.UntilReleased);
            SpinWait.SpinUntil(() => other.FindAsync("late").GetAwaiter().GetResult() is not (null, null), 5000).Should().BeTrue();
        };

        await manager.ReleaseAsync("old");

        late.Should().NotBeNull();
        await late!;
        (await other.ReadAsync()).Leases.Select(l => l.Id).Should().Equal("late");
        manager.Dispose();
    }

    [Fact]
    public async Task A_claim_that_nobody_can_read_stops_nobody()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        Claim broken = Want("broken", "1g.5gb") with { Gpus = [null!] };
        using (LeaseStore store = LeaseStore.Open(machine.JournalFolder))
            store.TryAdd(new WaitingEntry(broken, LeaseHold.UntilReleased, null)).Should().BeTrue();

        (await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased)).Id.Should().Be("train");

        (await manager.FindAsync("broken")).Should().Be((null, null));
        Func<Task> again = () => manager.ClaimAsync(broken, LeaseHold.UntilReleased);
        (await again.Should().ThrowAsync<LeaseException>()).Which.Error.Should().Be(LeaseError.Invalid);
    }

    [Fact]
    public async Task A_profile_of_any_name_is_no_need()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        InstanceNeed need = new() { MemoryMiB = 4000 };
        using (LeaseStore store = LeaseStore.Open(machine.JournalFolder))
            store.TryAdd(new WaitingEntry(Want("odd", $"?{need}"), LeaseHold.UntilReleased, null)).Should().BeTrue();
        Claim claim = new("train", LeaseOptions.DefaultQueue, new LeaseOwner(1000), [InstanceRequest.Of(need)]);

        (await manager.TryClaimAsync(claim, LeaseHold.UntilReleased)).Lease.Should().NotBeNull();
    }

    [Fact]
    public async Task A_claim_for_a_queue_just_deleted_is_dropped()
    {
        using LeaseMachine machine = new();
        LeaseManager manager = await machine.OpenAsync();
        using LeaseStore store = LeaseStore.Open(machine.JournalFolder);
        Claim claim = Want("late", "3g.20gb", queue: "deleted");

        store.TryAdd(new WaitingEntry(claim, LeaseHold.UntilReleased, null)).Should().BeTrue();

        (await manager.ClaimAsync(Want("train", "3g.20gb"), LeaseHold.UntilReleased)).Id.Should().Be("train");
        (await manager.FindAsync("late")).Should().Be((null, null));
    }

    [Fact]
    public async Task A_lease_that_ended_before_it_was_seen_says_so()
    {
        using LeaseMachine machine = new();
        LeaseManager other = await machine.OpenAsync();
        await other.ClaimAsync(Want("old", "7g.40gb"), LeaseHold.UntilReleased);
        Sleep sleep = new();
        using LeaseManager manager = await LeaseManager.OpenAsync(machine.Session, machine.Options with { TimeProvider = sleep });
        Task<GrantedLease> late = manager.ClaimAsync(Want("late", "7g.40gb"), new LeaseHold(Duration: TimeSpan.FromSeconds(1)));
        await Eventually.HoldsAsync(() => sleep.IsAsleep.Should().BeTrue());

        await other.ReleaseAsync("old");
        (await other.ReadAsync()).Leases.Select(l => l.Id).Should().Equal("late");
        machine.Clock.Advance(TimeSpan.FromSeconds(2));
        (await other.ReadAsync()).Leases.Should().BeEmpty();
        sleep.Wake();

        (await late.Invoking(l => l).Should().ThrowAsync<LeaseException>())
            .WithMessage("Claim late was granted, and its lease has ended meanwhile: It was not renewed by *");
    }

    /// <summary>A clock whose delays last until it is woken.</summary>
    private sealed class Sleep : TimeProvider
    {
        private ITimer? _timer;

        public bool IsAsleep => Volatile.Read(ref _timer) is not null;

        public void Wake() => _timer!.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            ITimer timer = base.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, period);
            Volatile.Write(ref _timer, timer);
            return timer;
        }
    }

    /// <summary>Does something when the time is asked for.</summary>
    private sealed class WhenAsked : TimeProvider
    {
        public Action? Next { get; set; }

        public override DateTimeOffset GetUtcNow()
        {
            Action? next = Next;
            Next = null;
            next?.Invoke();
            return base.GetUtcNow();
        }
    }
}
