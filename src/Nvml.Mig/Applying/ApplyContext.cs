using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>What the GPUs of one apply have in common. Each works on a thread of its own.</summary>
internal sealed class ApplyContext(ApplyOptions options, IProgress<ApplyProgress>? progress)
{
    private readonly Lock _quiescing = new();
    private readonly Dictionary<GpuInstanceProfile, IReadOnlyList<ComputeInstanceProfile>> _computeProfiles = [];
    private ServiceReport? _stopped;

    public ApplyOptions Options { get; } = options;

    public bool CanQuiesce => Options is { Quiesce: true, Services: not null };

    /// <summary>
    /// Stops the services that hold GPUs, once for all GPUs. False if that is not allowed or did not work: the report has why, and what was
    /// stopped runs again.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool Quiesce(CancellationToken cancellationToken)
    {
        if (!CanQuiesce)
            return false;
        lock (_quiescing)
            _stopped ??= StopServices(cancellationToken);
        return _stopped.Succeeded;
    }

    /// <summary>Starts again what was stopped, now or by an apply that died. Null if there is nothing to tell.</summary>
    public async Task<ServiceReport?> ResumeAsync()
    {
        if (Options.Services is not { } services)
            return null;
        ServiceReport started;
        try
        {
            started = await services.StartAgainAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
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

    private ServiceReport StopServices(CancellationToken cancellationToken)
    {
        try
        {
            return Options.Services!.StopAsync(cancellationToken).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return Failed(ServiceAction.Stop, e);
        }
    }

    private static ServiceReport Failed(ServiceAction action, Exception e) =>
        new() { Failures = [new ServiceFailure(action, null, null, $"The services that hold GPUs cannot be {(action == ServiceAction.Stop ? "stopped" : "started again")}: {e.Message}")] };

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
    /// What goes inside GPU instances of a profile. NVML shows it only inside one: GPUs that are alike learn it from each other, and one
    /// asks while the others wait.
    /// </summary>
    public IReadOnlyList<ComputeInstanceProfile> GetComputeProfiles(GpuInstance instance)
    {
        lock (_computeProfiles)
        {
            if (_computeProfiles.TryGetValue(instance.Profile, out IReadOnlyList<ComputeInstanceProfile>? known))
                return instance.Device.LearnComputeInstanceProfiles(instance.Profile, known);
            return _computeProfiles[instance.Profile] = instance.GetComputeInstanceProfiles();
        }
    }
}
