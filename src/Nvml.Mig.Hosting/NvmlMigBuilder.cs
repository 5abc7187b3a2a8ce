using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Hosting;

/// <summary>Adds more to a host that has a session: see <see cref="NvmlMigHosting.AddNvmlMig"/>.</summary>
public sealed class NvmlMigBuilder
{
    internal NvmlMigBuilder(IServiceCollection services) => Services = services;

    /// <summary>The host's services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>
    /// Adds a <see cref="LeaseManager"/>. While the host runs, ends that are due are brought about, faults are watched for, and each
    /// <see cref="ILeaseObserver"/> is told what happens. The health check <c>leasing</c> is tagged <c>ready</c>.
    /// </summary>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same builder.</returns>
    public NvmlMigBuilder AddLeasing(Action<LeaseHostingOptions>? configure = null)
    {
        OptionsBuilder<LeaseHostingOptions> options = AddLeasing();
        if (configure is not null)
            options.Configure(configure);
        return this;
    }

    /// <summary>Adds a <see cref="LeaseManager"/> with options of a configuration. A key that there is not ends the start.</summary>
    /// <inheritdoc cref="AddLeasing(Action{LeaseHostingOptions}?)"/>
    /// <param name="configuration">The section with the properties of <see cref="LeaseHostingOptions"/>.</param>
    public NvmlMigBuilder AddLeasing(IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        AddLeasing().Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return this;
    }

    private OptionsBuilder<LeaseHostingOptions> AddLeasing()
    {
        Services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<LeaseHostingOptions>, LeaseHostingOptions.Validator>());
        // The container disposes in the reverse order of creation: the manager before the session that it is opened on.
        Services.TryAddSingleton(Open);
        if (!Services.Any(service => service.ServiceType == typeof(LeaseKeeper)))
        {
            Services.AddSingleton<LeaseKeeper>();
            Services.AddHostedService(services => services.GetRequiredService<LeaseKeeper>());
            Services.AddHealthChecks().AddCheck<LeasingHealthCheck>("leasing", HealthStatus.Unhealthy, ["ready"]);
        }

        return Services.AddOptions<LeaseHostingOptions>().ValidateOnStart();
    }

    /// <summary>
    /// Waits here for another process that changes GPUs: so a service that asks for a manager always gets one that is open. The host's stop
    /// ends the wait.
    /// </summary>
    private static LeaseManager Open(IServiceProvider services)
    {
        LeaseHostingOptions options = services.GetRequiredService<IOptions<LeaseHostingOptions>>().Value;
        LeaseOptions leasing = new()
        {
            JournalFolder = options.JournalFolder,
            MpsFolder = options.MpsFolder,
            LockTimeout = options.LockTimeout,
            ReadInterval = options.ReadInterval,
            TimeProvider = services.GetRequiredService<TimeProvider>(),
        };
        CancellationToken stopping = services.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? CancellationToken.None;
        return LeaseManager.OpenAsync(services.GetRequiredService<NvmlSession>(), leasing, stopping).GetAwaiter().GetResult();
    }
}
