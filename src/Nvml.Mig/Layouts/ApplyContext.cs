namespace Nvml.Mig.Layouts;

/// <summary>What the GPUs of one apply have in common. Each works on a thread of its own.</summary>
internal sealed class ApplyContext(ApplyOptions options, IProgress<ApplyProgress>? progress)
{
    private readonly Lock _quiescing = new();
    private readonly Dictionary<GpuInstanceProfile, IReadOnlyList<ComputeInstanceProfile>> _computeProfiles = [];
    private Task<IAsyncDisposable>? _quiesced;

    public ApplyOptions Options { get; } = options;

    /// <summary>Makes services let go of the GPUs, once for all of them. False if there is no way to.</summary>
    public bool Quiesce(CancellationToken cancellationToken)
    {
        if (Options.Quiesce is not { } quiesce)
            return false;
        lock (_quiescing)
            _quiesced ??= quiesce(cancellationToken);
        _quiesced.GetAwaiter().GetResult();
        return true;
    }

    /// <summary>Lets the services go on, if they were made to let go.</summary>
    public async Task ResumeAsync()
    {
        if (_quiesced is { IsCompletedSuccessfully: true } quiesced)
            await (await quiesced.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
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
