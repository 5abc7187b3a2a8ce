using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>
/// The common part of all GPUs of one apply: the options, the turn, the services, and profiles that one GPU learned for all.
/// </summary>
internal sealed class ApplyContext(ApplyOptions options, IProgress<ApplyProgress>? progress) : IDisposable
{
    /// <summary>
    /// The driver makes one change at a time on the whole machine, for all threads and processes, and reads are quickest GPU by GPU: so one
    /// GPU has the turn, and keeps it until it is done or has to wait.
    /// </summary>
    private readonly SemaphoreSlim _turn = new(1, 1);

    private readonly Dictionary<GpuInstanceProfile, IReadOnlyList<ComputeInstanceProfile>> _computeProfiles = [];
    private ServiceReport? _stopped;

    public ApplyOptions Options { get; } = options;

    /// <summary>The instances of this machine that are promised to somebody.</summary>
    public IReadOnlyList<PromisedInstance> Promised { get; set; } = [];

    public bool CanQuiesce => Options is { Quiesce: true, Services: not null };

    public void Dispose() => _turn.Dispose();

    /// <summary>Works on GPUs in their order, one at a time; where one waits, the next begins.</summary>
    public Task OnEachAsync(IEnumerable<GpuTransaction> gpus, Func<GpuTransaction, Task> work)
    {
        return Task.WhenAll([.. gpus.Select(InTurnAsync)]);

        async Task InTurnAsync(GpuTransaction gpu)
        {
            await _turn.WaitAsync().ConfigureAwait(false);
            try
            {
                await work(gpu).ConfigureAwait(false);
            }
            finally
            {
                _turn.Release();
            }
        }
    }

    public Retry StartRetry() => new(Options.Timeout, Options.RetryDelay, Options.TimeProvider);

    /// <summary>Waits before another attempt and leaves the turn to others meanwhile. False if it was cancelled.</summary>
    public async Task<bool> WaitAsync(TimeSpan delay, CancellationToken cancellationToken)
    {
        _turn.Release();
        try
        {
            await Task.Delay(delay, Options.TimeProvider, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        finally
        {
            await _turn.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Stops the services that hold GPUs, once for all GPUs. False if that is not allowed or did not work: the report has why, and what was
    /// stopped runs again.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<bool> QuiesceAsync(CancellationToken cancellationToken)
    {
        if (!CanQuiesce)
            return false;
        _stopped ??= await StopServicesAsync(cancellationToken).ConfigureAwait(false);
        return _stopped.Succeeded;
    }

    /// <summary>Starts again the services that were stopped, now or by an apply that died. Null if there is nothing to report.</summary>
    public async Task<ServiceReport?> ResumeAsync()
    {
        if (Options.Services is not { } services)
            return null;
        ServiceReport started;
        try
        {
            started = await services.StartAgainAsync(CancellationToken.None).ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever it is, the GPUs are changed by now, and their result counts.
        catch (Exception e)
#pragma warning restore CA1031
        {
            started = Failed(ServiceAction.Start, e) with { StillStopped = _stopped?.StillStopped ?? [] };
        }

        ServiceReport all = started with
        {
            Stopped = _stopped?.Stopped ?? [],
            Started = [.. _stopped?.Started ?? [], .. started.Started],
            Failures = [.. _stopped?.Failures ?? [], .. started.Failures],
        };
        return all is { Stopped: [], Started: [], StillStopped: [], Failures: [] } ? null : all;
    }

    public void Report(ApplyProgress happened)
    {
        try
        {
            progress?.Report(happened);
        }
#pragma warning disable CA1031, RCS1075 // Whatever a listener throws: its trouble must not leave a GPU half-divided.
        catch (Exception)
#pragma warning restore CA1031, RCS1075
        {
        }
    }

    /// <summary>
    /// The compute instance profiles inside GPU instances of a profile. NVML shows them only inside one: GPUs that are alike learn them
    /// from each other.
    /// </summary>
    public IReadOnlyList<ComputeInstanceProfile> GetComputeProfiles(GpuInstance instance)
    {
        if (_computeProfiles.TryGetValue(instance.Profile, out IReadOnlyList<ComputeInstanceProfile>? known))
            return instance.Device.LearnComputeInstanceProfiles(instance.Profile, known);
        return _computeProfiles[instance.Profile] = instance.GetComputeInstanceProfiles();
    }

    private async Task<ServiceReport> StopServicesAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await Options.Services!.StopAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return Failed(ServiceAction.Stop, e);
        }
    }

    private static ServiceReport Failed(ServiceAction action, Exception e)
    {
        string act = action == ServiceAction.Stop ? "stopped" : "started again";
        return new() { Failures = [new ServiceFailure(action, null, null, $"The services that hold GPUs cannot be {act}: {e.Message}")] };
    }
}
