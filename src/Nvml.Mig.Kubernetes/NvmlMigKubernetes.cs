using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Nvml.Mig.Hosting;

namespace Nvml.Mig.Kubernetes;

/// <summary>Adds the care for a Kubernetes node to a host that has a session.</summary>
public static class NvmlMigKubernetes
{
    /// <summary>
    /// While the host runs, the GPUs are divided as the node's label <c>nvidia.com/mig.config</c> or its annotation <c>nvml-mig/layout</c>
    /// says, and <c>nvidia.com/mig.config.state</c> says what became of it. The health check <c>kubernetes</c> is tagged <c>ready</c>.
    /// </summary>
    /// <param name="builder">The builder of the host's session.</param>
    /// <param name="configure">Sets the options.</param>
    /// <returns>The same builder.</returns>
    public static NvmlMigBuilder AddKubernetesNode(this NvmlMigBuilder builder, Action<KubernetesOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        Add(builder.Services).Configure(configure);
        return builder;
    }

    /// <summary>The same, with options of a configuration. A key that there is not ends the start.</summary>
    /// <inheritdoc cref="AddKubernetesNode(NvmlMigBuilder, Action{KubernetesOptions})"/>
    /// <param name="builder">The builder of the host's session.</param>
    /// <param name="configuration">The section with the properties of <see cref="KubernetesOptions"/>.</param>
    public static NvmlMigBuilder AddKubernetesNode(this NvmlMigBuilder builder, IConfiguration configuration)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configuration);
        Add(builder.Services).Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true);
        return builder;
    }

    private static OptionsBuilder<KubernetesOptions> Add(IServiceCollection services)
    {
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<KubernetesOptions>, KubernetesOptions.Validator>());
        services.TryAddSingleton<KubernetesMetrics>();
        if (!services.Any(service => service.ServiceType == typeof(KubernetesNode)))
        {
            services.AddSingleton<KubernetesNode>();
            services.AddHostedService(provider => provider.GetRequiredService<KubernetesNode>());
            services.AddHealthChecks().AddCheck<KubernetesHealthCheck>("kubernetes", HealthStatus.Unhealthy, ["ready"]);
        }

        return services.AddOptions<KubernetesOptions>().ValidateOnStart();
    }
}
