using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Nvml.Mig.Hosting;

/// <summary>Adds Nvml.Mig to a .NET host.</summary>
public static class NvmlMigHosting
{
    /// <summary>
    /// Adds a <see cref="NvmlSession"/>, which is opened when the host starts and closed after everything that uses it. It logs as
    /// <c>Nvml.Mig</c>. The health check <c>nvml</c> is tagged <c>live</c>. Times are those of the host's <see cref="TimeProvider"/>.
    /// </summary>
    /// <param name="services">The host's services.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>A builder that adds more.</returns>
    public static NvmlMigBuilder AddNvmlMig(this IServiceCollection services, Action<NvmlMigOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<NvmlMigOptions>, NvmlMigOptions.Validator>());
        OptionsBuilder<NvmlMigOptions> options = services.AddOptions<NvmlMigOptions>().ValidateOnStart();
        if (configure is not null)
            options.Configure(configure);
        services.TryAddSingleton(provider => NvmlSession.Open(
            provider.GetRequiredService<IOptions<NvmlMigOptions>>().Value.LibraryPath,
            provider.GetService<ILoggerFactory>()?.CreateLogger("Nvml.Mig")));
        if (!services.Any(service => service.ImplementationType == typeof(SessionOpener)))
        {
            services.AddHostedService<SessionOpener>();
            services.AddHealthChecks().AddCheck<NvmlHealthCheck>("nvml", HealthStatus.Unhealthy, ["live"]);
        }

        return new NvmlMigBuilder(services);
    }

#pragma warning disable CS9113 // It is opened because it is asked for.
    private sealed class SessionOpener(NvmlSession session) : IHostedService
#pragma warning restore CS9113
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
