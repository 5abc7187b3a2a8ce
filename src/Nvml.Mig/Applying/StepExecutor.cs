namespace Nvml.Mig.Applying;

/// <summary>Does one step on a GPU: the one place that calls the driver to change something.</summary>
internal sealed class StepExecutor(LiveGpu live, UseChecks use, ApplyContext context)
{
    private GpuInstance? _justCreated;

    private GpuDevice Gpu => live.Gpu;

    /// <summary>
    /// Whether a failure is the driver's answer to the change itself. A read before or after it can answer with the same code, which then
    /// says nothing of the change.
    /// </summary>
    public static bool IsAnswerTo(LayoutStep step, Exception error) =>
        error is NvmlException { Function: { } function } && (function == FunctionOf(step) || step.Kind switch
        {
            LayoutStepKind.CreateGpuInstance => function == NvmlFunction.CreateGpuInstance,
            LayoutStepKind.CreateComputeInstance => function == NvmlFunction.CreateComputeInstanceAt,
            _ => false,
        });

    public static string FunctionOf(LayoutStep step) => step.Kind switch
    {
        LayoutStepKind.DestroyComputeInstance => NvmlFunction.DestroyComputeInstance,
        LayoutStepKind.DestroyGpuInstance => NvmlFunction.DestroyGpuInstance,
        LayoutStepKind.CreateGpuInstance => NvmlFunction.CreateGpuInstanceAt,
        LayoutStepKind.CreateComputeInstance => NvmlFunction.CreateComputeInstance,
        _ => NvmlFunction.SetMigMode,
    };

    /// <summary>Something may have changed since the last step: an instance that was just created must be asked for again.</summary>
    public void ForgetLastCreated() => _justCreated = null;

    public async Task DoAsync(LayoutStep step, CancellationToken cancellationToken)
    {
        LiveLayout layout = live.Layout;
        switch (step.Kind)
        {
            case LayoutStepKind.EnableMig or LayoutStepKind.DisableMig:
                await SetModeAsync(step, cancellationToken).ConfigureAwait(false);
                break;
            case LayoutStepKind.DestroyComputeInstance:
                ComputeInstance inside = layout.Find(step.GpuInstance!, step.ComputeInstance!) ?? throw Gone(step, "compute");
                inside.Destroy(readBack: false);
                layout.Remove(inside);
                break;
            case LayoutStepKind.DestroyGpuInstance:
                GpuInstance instance = layout.Find(step.GpuInstance!) ?? throw Gone(step, "GPU");
                instance.Destroy(readBack: false);
                layout.Remove(instance);
                break;
            case LayoutStepKind.CreateGpuInstance:
                _justCreated = Gpu.CreateGpuInstance(Gpu.GetGpuInstanceProfile(step.GpuInstance!.Profile.Id), step.GpuInstance.Placement);
                layout.Add(_justCreated);
                break;
            default:
                GpuInstance parent = layout.Find(step.GpuInstance!) ?? throw Gone(step, "GPU");
                ComputeInstanceProfile profile = FindProfile(parent, context.GetComputeProfiles(parent), step.ComputeInstance!);
                layout.Add(parent.CreateComputeInstance(profile, step.ComputeInstance!.Placement, isJustCreated: parent == _justCreated));
                break;
        }
    }

    private static ComputeInstanceProfile FindProfile(
        GpuInstance parent, IReadOnlyList<ComputeInstanceProfile> profiles, ComputeInstanceSnapshot wanted)
    {
        IEnumerable<ComputeInstanceProfile> ofSize = profiles.Where(p => p.SliceCount == wanted.SliceCount);
        // Several profiles with as many slices: all of them the one with the most multiprocessors, as the default; some of them the plain
        // one.
        ComputeInstanceProfile? found =
            wanted.Profile is { } known ? profiles.FirstOrDefault(p => p.Id == known.Id)
            : wanted.SliceCount == parent.Profile.SliceCount ? ProfileMatch.Whole(ofSize)
            : ofSize.MinBy(p => p.Number);
        return found ?? throw new NvmlException(
            NvmlReturnCode.InvalidArgument,
            NvmlFunction.GetComputeInstanceProfile,
            $"{parent} has no compute instance profile for {wanted.Name}. It has: "
                + $"{string.Join(", ", profiles.Select(p => $"{p.Name} ({p.Id})"))}.");
    }

    private async Task SetModeAsync(LayoutStep step, CancellationToken cancellationToken)
    {
        bool enable = step.Kind == LayoutStepKind.EnableMig;
        MigModeChange change = Gpu.SetMigMode(enable, readBack: false);
        if (step.Mode.IsChangePending)
        {
            MigMode reached = Gpu.GetMigMode();
            if (reached != step.Mode)
            {
                throw new NvmlException(
                    NvmlReturnCode.InvalidState,
                    FunctionOf(step),
                    $"MIG mode of {Gpu} is {reached} and not, as it was to be, {step.Mode}.");
            }

            live.Layout.Set(reached);
            return;
        }

        if (change.Outcome == MigModeOutcome.Activated || await ResetAsync(step, change, cancellationToken).ConfigureAwait(false))
        {
            live.Layout.Set(step.Mode);
            return;
        }

        string act = enable ? "enabled" : "disabled";
        throw change.Reason == NvmlReturnCode.InUse
            ? new NvmlInUseException(
                NvmlReturnCode.InUse,
                FunctionOf(step),
                $"MIG cannot be {act} on {Gpu} ({change}): something still uses it, a process or a monitoring service. End that first.")
            : new NvmlResetRequiredException(
                NvmlReturnCode.ResetRequired,
                FunctionOf(step),
                $"MIG can be {act} on {Gpu} only by a GPU reset or a reboot ({change}). Nothing is reset unless that is asked for.");
    }

    /// <summary>
    /// Resets the GPU if its mode waits for that, and that is asked for. Whether the mode is then the one that is wanted.
    /// </summary>
    private async Task<bool> ResetAsync(LayoutStep step, MigModeChange change, CancellationToken cancellationToken)
    {
        bool canQuiesce = !live.HasQuiesced && context.CanQuiesce;
        // Services that hold the GPU are stopped first, and the step repeated: that may be enough.
        if (change.Outcome != MigModeOutcome.Pending || context.Options.ResetGpu is not { } reset
            || (change.Reason == NvmlReturnCode.InUse && canQuiesce))
            return false;
        if (canQuiesce)
            live.HasQuiesced = await context.QuiesceAsync(cancellationToken).ConfigureAwait(false);
        // A reset destroys the instances that exist by now.
        if (step.Kind == LayoutStepKind.DisableMig)
            await live.ReadAsync(SnapshotParts.Users, cancellationToken).ConfigureAwait(false);
        if (use.FindInTheWay(step) is { } inTheWay)
            throw inTheWay;
        await reset(Gpu, cancellationToken).ConfigureAwait(false);
        return Gpu.GetMigMode() == step.Mode;
    }

    private NvmlNotFoundException Gone(LayoutStep step, string what) =>
        new(NvmlReturnCode.NotFound, FunctionOf(step), $"Cannot {step} of {Gpu}: there is no such {what} instance any more.");
}
