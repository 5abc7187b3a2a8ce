using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>Finds out who uses what a step is about.</summary>
internal sealed class UseChecks(LiveGpu live)
{
    private GpuDevice Gpu => live.Gpu;

    /// <summary>
    /// Processes on the GPU as a whole: beside them no first instance can be created, and the mode is not changed under them.
    /// </summary>
    public NvmlInUseException? FindUsersOfTheWhole(IEnumerable<LayoutStep> steps)
    {
        GpuProcess[] users = [.. live.Layout.UsersOf(null, null).DistinctBy(u => u.ProcessId)];
        LayoutStep? step = users.Length == 0
            ? null
            : steps.FirstOrDefault(s => s.IsModeChange || s.Kind == LayoutStepKind.CreateGpuInstance);
        return step is null ? null : new NvmlInUseException(
            NvmlReturnCode.InUse,
            StepExecutor.FunctionOf(step),
            $"{Gpu} is in use as a whole by {string.Join(" and ", users)} and cannot be divided.");
    }

    /// <summary>
    /// Finds what keeps a step from being done and is not waited for: processes that use the instance to destroy, or instances under the
    /// mode to leave. Null if there is nothing.
    /// </summary>
    public NvmlInUseException? FindInTheWay(LayoutStep step, Exception? failure = null)
    {
        if (step.Kind == LayoutStepKind.DisableMig && live.Snapshot.Instances is { Count: > 0 } there)
        {
            return new NvmlInUseException(
                NvmlReturnCode.InUse,
                StepExecutor.FunctionOf(step),
                $"MIG cannot be disabled on {Gpu}: {string.Join(" and ", there)} is there.",
                failure)
            {
                IsTransient = false,
            };
        }

        if (!step.IsDestroy
            || live.Layout.Find(step.GpuInstance!) is not { } instance
            || live.WaitFor is null || live.WaitFor.Contains(instance.Id))
        {
            return null;
        }

        GpuProcess[] users = [.. live.Layout.UsersOf(instance.Id, step.ComputeInstance?.Id).DistinctBy(u => u.ProcessId)];
        return users.Length == 0 ? null : new NvmlInUseException(
            NvmlReturnCode.InUse,
            StepExecutor.FunctionOf(step),
            $"{step.GpuInstance} of {Gpu} is in use by {string.Join(" and ", users)} and in the way.",
            failure);
    }

    /// <summary>Whether something is in use, and NVML shows no process that uses it.</summary>
    public bool IsHeldInvisibly(LayoutStep step, Exception error) =>
        error is NvmlInUseException { IsTransient: true } && StepExecutor.IsAnswerTo(step, error)
        && (step.Kind == LayoutStepKind.CreateComputeInstance || step.IsModeChange
            ? live.Layout.Processes.Count == 0
            : !live.Layout.UsersOf(
                step.Kind == LayoutStepKind.CreateGpuInstance ? null : step.GpuInstance!.Id, step.ComputeInstance?.Id).Any());

    /// <summary>The same failure with the clients that have the GPU's device file open: nothing else can be known.</summary>
    public NvmlInUseException NameHolders(NvmlException error)
    {
        string holders = "";
        try
        {
            int minor = Gpu.MinorNumber;
            GpuClient[] found = [.. GpuClients.Find().Clients.Where(h => !h.IsSelf && h.GpuMinors.Contains(minor))];
            if (found.Length > 0)
                holders = $" {string.Join(" and ", found.AsEnumerable())} has its device file open.";
        }
#pragma warning disable CA1031, RCS1075 // A failure to explain must not hide the failure itself.
        catch (Exception)
#pragma warning restore CA1031, RCS1075
        {
        }

        return new NvmlInUseException(
            error.Code, error.Function, $"{error.Message} It is held by a client that NVML does not show.{holders}")
        {
            IsTransient = true,
        };
    }
}
