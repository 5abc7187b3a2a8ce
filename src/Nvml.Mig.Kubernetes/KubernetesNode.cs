using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Nvml.Mig.Kubernetes.Api;
using Nvml.Mig.Kubernetes.Gpus;
using Nvml.Mig.Kubernetes.Nodes;

namespace Nvml.Mig.Kubernetes;

/// <summary>Watches the node and keeps its GPUs as it asks for, as long as the host runs.</summary>
internal sealed partial class KubernetesNode : BackgroundService
{
    private static readonly TimeSpan StopTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan LastingWatch = TimeSpan.FromSeconds(30);

    private readonly KubernetesOptions _options;
    private readonly KubernetesMetrics _metrics;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly KubeClient _client;
    private readonly KnownNode _known = new();
    private readonly NodeReconciler _reconciler;

    public KubernetesNode(
        NvmlSession session, IOptions<KubernetesOptions> options, KubernetesMetrics metrics, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options.Value;
        _metrics = metrics;
        _time = time;
        _logger = loggers.CreateLogger<KubernetesNode>();
        _client = new KubeClient(KubeConnection.Find(_options), metrics);
        string node = _options.Node!;
        _reconciler = new NodeReconciler(
            new MachineLayouts(new LayoutMenu(session, _options.LayoutFile), _options, time),
            new Operands(_client, _options, time),
            new NodeWriter(_client, _known, node, time),
            new EventWriter(_client, node, time),
            _known,
            loggers.CreateLogger<NodeReconciler>());
    }

    /// <summary>Why the node is not watched just now; null if it is.</summary>
    public string? WatchProblem { get; private set; } = "The API server has not answered yet.";

    /// <summary>Why the last pass could not be finished; null if it was.</summary>
    public string? PassProblem { get; private set; }

    /// <summary>How the last pass that was finished ended.</summary>
    public PassResult? Last { get; private set; }

    public override void Dispose()
    {
        base.Dispose();
        _client.Dispose();
        _known.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await Task.Yield(); // The host's start does not wait for the API server.
        await Task.WhenAll(WatchAsync(stoppingToken), ReconcileAsync(stoppingToken)).ConfigureAwait(false);
        await ResumeAsync().ConfigureAwait(false);
    }

    /// <summary>Lists the node, watches it from there, and lists it again if the watch cannot go on.</summary>
    private async Task WatchAsync(CancellationToken stoppingToken)
    {
        Backoff backoff = new(_options.MaxRetryDelay);
        string? version = null;
        long begun = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (version is null)
                {
                    (KubeObject? node, version) = await _client.ListNodeAsync(_options.Node!, stoppingToken).ConfigureAwait(false);
                    _known.SetTo(node);
                    if (node is null)
                        LogNoNode(_options.Node!);
                }

                begun = _time.GetTimestamp();
                await foreach (NodeChange change in _client.WatchNodeAsync(
                    _options.Node!, version, () => WatchProblem = null, stoppingToken).ConfigureAwait(false))
                {
                    version = change.Version;
                    if (change.IsDeleted)
                        _known.SetTo(null);
                    else if (change.Node is { } node)
                        _known.See(node);
                }

                // The server ends a watch now and then. One that ends at once must not be asked for without pause.
                await PauseAsync(NextAfter(begun, backoff), stoppingToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (KubeException e)
            {
                // A connection that broke off goes on where it was; after an answer that was none of a watch, nothing is taken for granted.
                if (e.Status is not null)
                    version = null;
                WatchProblem = e.Message;
                TimeSpan pause = NextAfter(begun, backoff, e.RetryAfter);
                if (!e.IsGone)
                    LogWatchFailed(e.Message, pause);
                await PauseAsync(pause, stoppingToken).ConfigureAwait(false);
            }
        }
    }

    private async Task ReconcileAsync(CancellationToken stoppingToken)
    {
        Backoff backoff = new(_options.MaxRetryDelay);
        WantedLayout? wanted = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            (KubeObject? node, CancellationTokenSource pass) = _known.Begin(stoppingToken);
            TimeSpan pause = Timeout.InfiniteTimeSpan;
            if (node is not null)
            {
                if (WantedLayout.Of(node) is var asked && asked != wanted)
                    backoff.Reset();
                wanted = asked;
                pause = await PassAsync(node, backoff, pass.Token, stoppingToken).ConfigureAwait(false);
            }

            _known.End(pass);
            try
            {
                await _known.WaitAsync(pause, stoppingToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>One pass, and how long to wait for the next.</summary>
    private async Task<TimeSpan> PassAsync(KubeObject node, Backoff backoff, CancellationToken pass, CancellationToken stoppingToken)
    {
        const string Error = "error";
        try
        {
            PassResult result = await _reconciler.RunAsync(node, pass).ConfigureAwait(false);
            (Last, PassProblem) = (result, null);
            _metrics.CountReconcile(result.State ?? "none", _time.GetUtcNow());
            if (result.State is null or NodeProtocol.Success)
            {
                backoff.Reset();
                return _options.ReadInterval;
            }

            // A look disturbs nobody. Who was disturbed in vain is left alone for longer and longer.
            TimeSpan next = backoff.Next();
            return result.HasTried || next < _options.ReadInterval ? next : _options.ReadInterval;
        }
        catch (OperationCanceledException)
        {
            _metrics.CountReconcile("superseded", _time.GetUtcNow());
            return stoppingToken.IsCancellationRequested ? Timeout.InfiniteTimeSpan : TimeSpan.Zero;
        }
        catch (KubeException e)
        {
            PassProblem = e.Message;
            _metrics.CountReconcile(Error, _time.GetUtcNow());
            TimeSpan next = backoff.Next(e.RetryAfter);
            LogPassFailed(e.Message, next);
            return next;
        }
#pragma warning disable CA1031 // An unforeseen failure is logged and tried again: thrown, it would end the agent and its leases' service.
        catch (Exception e)
#pragma warning restore CA1031
        {
            PassProblem = e.Message;
            _metrics.CountReconcile(Error, _time.GetUtcNow());
            LogUnexpected(e);
            return backoff.Next();
        }
    }

    /// <summary>As far as the API server answers soon: else the next life does it.</summary>
    private async Task ResumeAsync()
    {
        using CancellationTokenSource late = new(StopTime);
        try
        {
            await _reconciler.ResumeAsync(late.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is KubeException or OperationCanceledException)
        {
            LogPassFailed(e.Message, TimeSpan.Zero);
        }
    }

    /// <summary>A watch that lasted has not failed: the next one begins soon.</summary>
    private TimeSpan NextAfter(long begun, Backoff backoff, TimeSpan? atLeast = null)
    {
        if (_time.GetElapsedTime(begun) > LastingWatch)
            backoff.Reset();
        return backoff.Next(atLeast);
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stoppingToken) =>
        await Task.Delay(pause, _time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    [LoggerMessage(55, LogLevel.Warning, "The cluster has no node '{Node}': it is waited for.")]
    private partial void LogNoNode(string node);

    [LoggerMessage(56, LogLevel.Warning, "The node is not watched, which is tried again in {Pause}: {Message}")]
    private partial void LogWatchFailed(string message, TimeSpan pause);

    [LoggerMessage(57, LogLevel.Warning, "The node's state is not written, which is tried again in {Pause}: {Message}")]
    private partial void LogPassFailed(string message, TimeSpan pause);

    [LoggerMessage(58, LogLevel.Error, "A pass over the GPUs failed in a way that nobody foresaw.")]
    private partial void LogUnexpected(Exception exception);
}
