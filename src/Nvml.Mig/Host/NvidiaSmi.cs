namespace Nvml.Mig.Host;

/// <summary>NVIDIA's own tool, for resetting a GPU: NVML has no function for it.</summary>
public static class NvidiaSmi
{
    /// <summary>
    /// Runs <c>nvidia-smi --gpu-reset -i UUID</c>. Needs root, and that nothing uses the GPU. A reset removes its instances and activates a
    /// pending MIG mode. It takes as long as nvidia-smi takes, and a Ctrl-C does not cut it short.
    /// </summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="cancellationToken">Before it is started; a reset under way is not cut short.</param>
    /// <exception cref="NvmlException">It cannot be run, or fails; the message has its output.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before it was started.</exception>
    public static async Task ResetGpuAsync(GpuDevice gpu, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        cancellationToken.ThrowIfCancellationRequested();
        string[] arguments = ["--gpu-reset", "-i", gpu.Uuid];
        try
        {
            // Looked for along PATH alone, and never killed, however long it takes: a GPU half reset is of no use.
            await HostCommand.RunAsync("nvidia-smi", arguments, Timeout.InfiniteTimeSpan, CancellationToken.None).ConfigureAwait(false);
        }
        catch (HostCommandException e)
        {
            throw NvmlErrors.Create(ToCode(e), "nvidia-smi --gpu-reset", $"Cannot reset {gpu}: {e.Message}", inner: e);
        }
    }

    /// <summary>
    /// It exits with the nvmlReturn_t of the failure. Other numbers are a shell's, as 127 and 130, or those of a signal.
    /// </summary>
    private static NvmlReturnCode ToCode(HostCommandException e) =>
        e.IsMissing ? NvmlReturnCode.NotFound
        : e.ExitCode is { } exitCode && Enum.IsDefined((NvmlReturnCode)exitCode) ? (NvmlReturnCode)exitCode
        : NvmlReturnCode.Unknown;
}
