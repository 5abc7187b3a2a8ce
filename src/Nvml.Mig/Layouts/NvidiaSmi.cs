using System.ComponentModel;
using System.Diagnostics;

namespace Nvml.Mig.Layouts;

/// <summary>What only NVIDIA's own tool can do: NVML has no function to reset a GPU.</summary>
public static class NvidiaSmi
{
    /// <summary>
    /// Runs <c>nvidia-smi --gpu-reset -i UUID</c>. Needs root, and that nothing uses the GPU. Its instances go, a pending MIG mode comes.
    /// </summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="cancellationToken">Before it is started; a reset under way is not cut short.</param>
    /// <exception cref="NvmlException">It cannot be run, or says that it could not; the message has its words.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before it was started.</exception>
    public static async Task ResetGpuAsync(GpuDevice gpu, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(gpu);
        cancellationToken.ThrowIfCancellationRequested();
        using Process process = new()
        {
            StartInfo = new ProcessStartInfo("nvidia-smi", ["--gpu-reset", "-i", gpu.Uuid])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            },
        };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new NvmlException(NvmlReturnCode.NotFound, "nvidia-smi --gpu-reset", $"Cannot reset {gpu}: nvidia-smi cannot be run: {e.Message}.", e);
        }

        Task<string> output = process.StandardOutput.ReadToEndAsync(CancellationToken.None);
        string error = await process.StandardError.ReadToEndAsync(CancellationToken.None).ConfigureAwait(false);
        string said = $"{await output.ConfigureAwait(false)} {error}".ReplaceLineEndings(" ").Trim();
        await process.WaitForExitAsync(CancellationToken.None).ConfigureAwait(false);
        // It exits with the nvmlReturn_t of what failed.
        if (process.ExitCode != 0)
        {
            throw new NvmlException(
                (NvmlReturnCode)process.ExitCode, "nvidia-smi --gpu-reset", $"Cannot reset {gpu}: nvidia-smi exited with {process.ExitCode} and said: {said}");
        }
    }
}
