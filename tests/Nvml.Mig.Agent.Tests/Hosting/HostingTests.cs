using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Nvml.Mig.Hosting;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Tests.Leases;
using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Hosting;

/// <summary>Two lines of set-up, and leases are kept for as long as the host runs.</summary>
public sealed class HostingTests : IDisposable
{
    private readonly LeaseMachine _machine = new();
    private readonly Observer _observer = new();

    [Fact]
    public async Task Two_lines_give_a_manager()
    {
        using IHost host = Build();
        await host.StartAsync();

        GrantedLease lease = await ManagerOf(host).ClaimAsync(LeaseMachine.Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        lease.Instances.Should().ContainSingle();
        _machine.Describe().Should().Equal("0: 1g.5gb at 6:1");
        await host.StopAsync();
    }

    [Fact]
    public async Task A_lease_ends_in_time_though_nobody_asks()
    {
        using IHost host = Build();
        await host.StartAsync();
        await ManagerOf(host).ClaimAsync(
            LeaseMachine.Want("train", "1g.5gb"), new LeaseHold(Duration: TimeSpan.FromMilliseconds(50)));

        LeaseEvent ended = await _observer.WaitForAsync(LeaseEventKind.Ended);

        ended.Reason.Should().Be(LeaseEndReason.Expired);
    }

    [Fact]
    public async Task An_observer_is_told_what_was_before_too()
    {
        using (LeaseManager before = await _machine.OpenAsync())
            await before.ClaimAsync(LeaseMachine.Want("train", "1g.5gb"), LeaseHold.UntilReleased);
        using IHost host = Build();

        await host.StartAsync();

        (await _observer.WaitForAsync(LeaseEventKind.Granted)).Lease.Should().Be("train");
    }

    [Fact]
    public async Task An_instance_with_a_fault_is_put_aside()
    {
        using IHost host = Build();
        await host.StartAsync();
        GrantedLease lease = await ManagerOf(host).ClaimAsync(LeaseMachine.Want("train", "1g.5gb"), LeaseHold.UntilReleased);

        _machine.Simulator.RaiseXid(0, 94, _machine.Session.GetMigDevice(lease.Instances[0].MigUuid));

        (await _observer.WaitForAsync(LeaseEventKind.Quarantined)).Message.Should().Contain("Xid 94");
    }

    [Fact]
    public async Task Options_are_validated_at_the_start()
    {
        using IHost host = Build(("JournalFolder", "here"), ("MpsFolder", "there"), ("ReadInterval", "00:00:00"));

        Func<Task> start = () => host.StartAsync();

        (await start.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().Equal(
            "JournalFolder is 'here': it must be an absolute path.",
            "MpsFolder is 'there': it must be an absolute path.",
            "ReadInterval is 00:00:00: it must be more than 0.");
    }

    [Fact]
    public async Task An_option_that_there_is_not_is_an_error()
    {
        using IHost host = Build(("JournalFolder", _machine.JournalFolder), ("JurnalFolder", "/tmp"));

        Func<Task> start = () => host.StartAsync();

        await start.Should().ThrowAsync<InvalidOperationException>().WithMessage("*JurnalFolder*");
    }

    [Fact]
    public async Task A_host_is_live_and_ready()
    {
        using IHost host = Build();
        await host.StartAsync();

        (await CheckAsync(host)).Should().Equal(("nvml", HealthStatus.Healthy), ("leasing", HealthStatus.Healthy));
    }

    [Fact]
    public async Task A_lost_gpu_that_leasing_does_not_know_is_not_ready()
    {
        using IHost host = Build();
        await host.StartAsync();
        await ManagerOf(host).ReadAsync();

        _machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceGetMigMode", NvmlReturnCode.GpuIsLost));

        (await CheckAsync(host)).Should().Equal(("nvml", HealthStatus.Healthy), ("leasing", HealthStatus.Unhealthy));
    }

    [Fact]
    public async Task Leases_are_kept_again_whatever_has_failed()
    {
        using IHost host = Build();
        await host.StartAsync();
        string book = Directory.GetFiles(_machine.JournalFolder, "*.db").Single();
        File.Move(book, book + ".away");
        await Eventually.HoldsAsync(async () => (await CheckAsync(host)).Should().Contain(("leasing", HealthStatus.Unhealthy)));

        File.Move(book + ".away", book);

        await Eventually.HoldsAsync(async () => (await CheckAsync(host)).Should().Contain(("leasing", HealthStatus.Healthy)));
        await ManagerOf(host).ClaimAsync(
            LeaseMachine.Want("train", "1g.5gb"), new LeaseHold(Duration: TimeSpan.FromMilliseconds(50)));
        (await _observer.WaitForAsync(LeaseEventKind.Ended)).Lease.Should().Be("train");
    }

    [Fact]
    public async Task What_the_host_opened_is_closed_in_order()
    {
        IHost host = Build();
        await host.StartAsync();
        LeaseManager manager = ManagerOf(host);
        NvmlSession session = host.Services.GetRequiredService<NvmlSession>();

        await host.StopAsync();
        await ((IAsyncDisposable)host).DisposeAsync();

        Func<Task> read = () => manager.ReadAsync();
        await read.Should().ThrowAsync<ObjectDisposedException>();
        FluentActions.Invoking(() => session.GetDriverVersion()).Should().Throw<ObjectDisposedException>();
        _machine.Session.GetDriverVersion().Should().NotBeEmpty();
    }

    public void Dispose() => _machine.Dispose();

    private static LeaseManager ManagerOf(IHost host) => host.Services.GetRequiredService<LeaseManager>();

    private static async Task<(string, HealthStatus)[]> CheckAsync(IHost host)
    {
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        return [.. report.Entries.Select(e => (e.Key, e.Value.Status))];
    }

    private IHost Build(params (string Key, string Value)[] settings)
    {
        HostApplicationBuilder builder = new(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<ILeaseObserver>(_observer);
        NvmlMigBuilder mig = builder.Services.AddNvmlMig(options => options.LibraryPath = _machine.Simulator.LibraryPath);
        if (settings.Length == 0)
            mig.AddLeasing(options => options.JournalFolder = _machine.JournalFolder);
        else
            mig.AddLeasing(new ConfigurationBuilder()
                .AddInMemoryCollection(settings.Select(s => KeyValuePair.Create(s.Key, (string?)s.Value))).Build());
        return builder.Build();
    }

    private sealed class Observer : ILeaseObserver
    {
        private readonly List<LeaseEvent> _told = [];

        public void OnEvent(LeaseEvent happened)
        {
            lock (_told)
                _told.Add(happened);
        }

        public async Task<LeaseEvent> WaitForAsync(LeaseEventKind kind)
        {
            await Eventually.HoldsAsync(() => Find().Should().NotBeNull("somebody is told of {0}", kind));
            return Find()!;

            LeaseEvent? Find()
            {
                lock (_told)
                    return _told.Find(e => e.Kind == kind);
            }
        }
    }
}
