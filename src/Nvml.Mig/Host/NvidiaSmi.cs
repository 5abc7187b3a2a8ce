
namespace Nvml.Mig.Host;

/// <summary>NVIDIA's own tool, for resetting a GPU: NVML has no function for it.</summary>
public static class NvidiaSmi
{
    /// <summary>
    /// Runs <c>nvidia-smi --gpu-reset -i UUID</c>. Needs root, and that nothing uses the GPU. Its instances go, a pending MIG mode comes.
    /// It takes as long as nvidia-smi takes.
    /// </summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="cancellationToken">Before it is started; a reset under way is not cut short.</param>
    /// <exception cref="NvmlException">It cannot be run, or says that it could not; the message has its words.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before it was started.</exception>
    public static async Task ResetGpuAsync(GpuDevice gpu, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            // Looked for along PATH alone, and never killed, however long it takes: a GPU half reset is of no use.
            await HostCommand.RunAsync("nvidia-smi", ["--gpu-reset", "-i", gpu.Uuid], Timeout.InfiniteTimeSpan, CancellationToken.None).ConfigureAwait(false);
        }
        catch (HostCommandException e)
        {
            // It exits with the nvmlReturn_t of what failed.
            throw NvmlErrors.Create(
                e.ExitCode is { } code ? (NvmlReturnCode)code : NvmlReturnCode.NotFound, "nvidia-smi --gpu-reset", $"Cannot reset {gpu}: {e.Message}", null, e);
        }
    }
}
