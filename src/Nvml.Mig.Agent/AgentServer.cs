using System.Net;
using System.Net.Sockets;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using Microsoft.OpenApi;
using Nvml.Mig.Agent.Api;
using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Connections;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Metrics;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Agent.Page;
using Nvml.Mig.Hosting;
using Nvml.Mig.Kubernetes;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent;

/// <summary>Puts the agent together.</summary>
internal static class AgentServer
{
    private const int MaxHeadBytes = 16 << 10;

    private const int MaxRequestLineBytes = 4 << 10;

    /// <summary>The agent, not started. Who starts it sets its options, or has them in a configuration.</summary>
    /// <exception cref="OptionsValidationException">The options make no sense.</exception>
    /// <exception cref="IOException">Another agent has the socket, or others can write to its folder.</exception>
    public static WebApplication Build(
        IConfiguration configuration, Action<AgentOptions>? configure = null, Action<ILoggingBuilder>? log = null)
    {
        // Neither files nor variables of wherever it is started, but those that are named.
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        builder.Configuration.Sources.Clear();
        builder.Services.AddOptions<AgentOptions>()
            .Bind(configuration, binder => binder.ErrorOnUnknownConfiguration = true)
            .Configure(options => configure?.Invoke(options))
            .ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<AgentOptions>, AgentOptionsValidator>();
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        log?.Invoke(builder.Logging);
        AddServices(builder.Services);
        AddKubernetes(builder.Services, configuration.GetSection(nameof(AgentOptions.Kubernetes)));
        AddServer(builder);
        WebApplication app = builder.Build();
        app.Use(next => context => Problems.HandleAsync(context, next));
        app.Use(next => context => BrowserGuard.HandleAsync(context, next));
        app.Use(next => context => context.RequestServices.GetRequiredService<TcpCallers>().HandleAsync(context, next));
        Map(app);
        try
        {
            // Before anything opens the book or changes a GPU: here a second agent is refused.
            _ = app.Services.GetRequiredService<AgentSocket>();
            return app;
        }
        catch
        {
            ((IDisposable)app).Dispose();
            throw;
        }
    }

    private static void AddServices(IServiceCollection services)
    {
        services.AddNvmlMig().AddLeasing();
        services.AddOptions<NvmlMigOptions>()
            .Configure<IOptions<AgentOptions>>((mig, agent) => mig.LibraryPath = agent.Value.LibraryPath);
        services.AddOptions<LeaseHostingOptions>().Configure<IOptions<AgentOptions>>((leasing, agent) =>
        {
            leasing.JournalFolder = agent.Value.Leasing.JournalFolder;
            leasing.MpsFolder = agent.Value.Leasing.MpsFolder;
            leasing.LockTimeout = agent.Value.Leasing.LockTimeout;
            leasing.ReadInterval = agent.Value.Leasing.ReadInterval;
            leasing.WatchFaults = agent.Value.Leasing.WatchFaults;
        });
        services.AddOptions<HostOptions>()
            .Configure<IOptions<AgentOptions>>((host, agent) => host.ShutdownTimeout = agent.Value.StopTimeout);
        services.AddSystemd();
        services.AddHostedService<BaselineLayout>();
        services.AddSingleton<EventHub>();
        services.AddSingleton<ILeaseObserver>(provider => provider.GetRequiredService<EventHub>());
        services.AddHostedService<EventRecall>();
        services.AddSingleton<Rights>();
        services.AddSingleton<ClaimReader>();
        services.AddSingleton<ClaimWaiter>();
        services.AddSingleton<SharedReading>();
        services.AddSingleton<UseReader>();
        services.AddSingleton(provider => new GpuMonitor(
            provider.GetRequiredService<NvmlSession>(), time: provider.GetRequiredService<TimeProvider>()));
        services.AddSingleton<UsageHistory>();
        services.AddHostedService<UsageRecorder>();
        services.AddSingleton<PageReader>();
        MetricsEndpoints.AddServices(services);
        services.AddSingleton<HealthEndpoints>();
        services.AddSingleton<EventEndpoints>();
        services.AddSingleton<PeerConnections>();
        services.AddSingleton<TcpCallers>();
        services.AddSingleton(provider => AgentSocket.Take(provider.GetRequiredService<IOptions<AgentOptions>>().Value.Socket));
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, AgentJson.Default);
            // A misspelt member is an error, and not left out.
            json.SerializerOptions.UnmappedMemberHandling = AgentJson.Default.Options.UnmappedMemberHandling;
            json.SerializerOptions.RespectNullableAnnotations = true;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict;
            json.SerializerOptions.MaxDepth = AgentJson.Default.Options.MaxDepth;
        });
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.AddOpenApi("v1", openApi => openApi.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "nvmig-agent",
                Version = "v1",
                Description = "Leases of MIG instances of a machine.",
            };
            document.Servers = []; // Wherever it was asked.
            return Task.CompletedTask;
        }));
    }

    private static void AddKubernetes(IServiceCollection services, IConfigurationSection section)
    {
        if (!section.Exists())
            return;
        services.AddNvmlMig().AddKubernetesNode(section);
        // One machine, one journal: what is leased is left alone.
        services.AddOptions<KubernetesOptions>()
            .Configure<IOptions<AgentOptions>>((node, agent) => node.JournalFolder = agent.Value.Leasing.JournalFolder);
    }

    private static void AddServer(WebApplicationBuilder builder)
    {
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddOptions<SocketTransportOptions>().Configure<IServiceProvider>((transport, services) =>
        {
            transport.CreateBoundListenSocket = endPoint => endPoint is UnixDomainSocketEndPoint
                ? services.GetRequiredService<AgentSocket>().Bind()
                : SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        });
        builder.Services.AddOptions<KestrelServerOptions>().Configure<IServiceProvider>((kestrel, services) =>
        {
            AgentOptions options = services.GetRequiredService<IOptions<AgentOptions>>().Value;
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxConcurrentConnections = options.Limits.MaxConnections + PeerConnections.ForRoot;
            kestrel.Limits.MaxRequestBodySize = options.Limits.MaxBodyBytes;
            kestrel.Limits.MaxRequestHeadersTotalSize = MaxHeadBytes;
            kestrel.Limits.MaxRequestLineSize = MaxRequestLineBytes;
            kestrel.Limits.RequestHeadersTimeout = options.Limits.HeadTimeout;
            PeerConnections peers = services.GetRequiredService<PeerConnections>();
            kestrel.ListenUnixSocket(options.Socket, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                listen.Use(next => connection => peers.HandleAsync(connection, next));
            });
            if (options.Tcp.Port > 0)
            {
                kestrel.Listen(
                    IPAddress.Parse(options.Tcp.Address), options.Tcp.Port, services.GetRequiredService<TcpCallers>().Listen);
            }
        });
    }

    private static void Map(WebApplication app)
    {
        RouteGroupBuilder v1 = app.MapGroup("/v1");
        LeaseEndpoints.Map(v1.MapGroup("").WithTags("Leases"));
        RuleEndpoints.Map(v1.MapGroup("").WithTags("Rules"));
        OverviewEndpoints.Map(v1.MapGroup("").WithTags("Overview"));
        EventEndpoints.Map(v1.MapGroup("").WithTags("Events"));
        HealthEndpoints.Map(app.MapGroup("/health").WithTags("Health"));
        PageEndpoints.Map(app);
        MetricsEndpoints.Map(app);
        app.MapOpenApi();
    }
}
