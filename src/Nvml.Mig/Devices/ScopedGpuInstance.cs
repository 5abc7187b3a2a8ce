using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A GPU instance with a compute instance that takes the whole of it, for the length of a job, a test or a benchmark: disposal destroys
/// both. Created by <see cref="GpuDevice.OpenScoped"/>.
/// </summary>
/// <remarks>
/// <para>
/// The driver destroys nothing that is in use, and after a process ends it takes a moment. Disposal therefore tries until the timeout, and
/// then throws <see cref="NvmlInUseException"/>; the message names the instances that remain and the processes that use them. They keep
/// working and can be disposed of again. An exception from disposal replaces one that the job threw, so the logger receives it too.
/// </para>
/// <para>
/// Disposal destroys only the two instances that were created, as far as they can be told from others: a successor that is alike, in the
/// same place, cannot (see <see cref="GpuInstance"/>). Other compute instances in the GPU instance stay, and then so does the GPU instance.
/// An instance that another process has destroyed meanwhile is no error.
/// </para>
/// <para>
/// No finalizer destroys an instance, nor does the death of the process: instances outlive processes.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// await using ScopedGpuInstance slice = gpu.OpenScoped(gpu.GetGpuInstanceProfile("1g.5gb"));
/// ProcessStartInfo job = new("./train") { Environment = { ["CUDA_VISIBLE_DEVICES"] = slice.MigDevice.Uuid } };
/// await Process.Start(job)!.WaitForExitAsync();
/// </code>
/// </example>
public sealed class ScopedGpuInstance : IAsyncDisposable, IDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(50);

    private readonly NativeSession _session;
    private readonly TimeSpan _timeout;
    private bool _isComputeInstanceLeft = true;
    private bool _isGpuInstanceLeft = true;

    private ScopedGpuInstance(
        NativeSession session, GpuInstance gpuInstance, ComputeInstance computeInstance, MigDevice migDevice, TimeSpan timeout)
    {
        _session = session;
        _timeout = timeout;
        GpuInstance = gpuInstance;
        ComputeInstance = computeInstance;
        MigDevice = migDevice;
    }

    /// <summary>The GPU instance.</summary>
    public GpuInstance GpuInstance { get; }

    /// <summary>The compute instance, the whole of the GPU instance.</summary>
    public ComputeInstance ComputeInstance { get; }

    /// <summary>The MIG device: its UUID is what <c>CUDA_VISIBLE_DEVICES</c> takes.</summary>
    public MigDevice MigDevice { get; }

    /// <summary>Destroys both instances, away from the caller's thread.</summary>
    /// <exception cref="NvmlInUseException">They are still in use; the message names them. Dispose again to try again.</exception>
    /// <exception cref="NvmlException">They cannot be destroyed; the message names those that remain.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before.</exception>
    public ValueTask DisposeAsync() => new(Task.Run(() => Release(Task.Delay)));

    /// <summary>Destroys both instances; blocks the thread while they are in use.</summary>
    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() =>
        // Complete when it returns, since its delays are.
        Release(static delay =>
        {
            Thread.Sleep(delay);
            return Task.CompletedTask;
        }).GetAwaiter().GetResult();

    internal static ScopedGpuInstance Open(
        NativeSession session, GpuDevice device, GpuInstanceProfile profile, Placement? placement, TimeSpan timeout)
    {
        GpuInstance gpuInstance = device.CreateGpuInstance(profile, placement);
        ComputeInstance? computeInstance = null;
        try
        {
            computeInstance = gpuInstance.CreateComputeInstance();
            return new ScopedGpuInstance(session, gpuInstance, computeInstance, computeInstance.GetMigDevice(), timeout);
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            if (TryUndo(gpuInstance, computeInstance) is not { } undo)
                throw;
            string left = $"{gpuInstance} was created before and could not be destroyed again";
            Log.ScopedInstanceLeft(session.Logger, left, undo.Message);
            string message = $"{e.Message} {left}: {undo.Message}";
            throw e is NvmlException failed
                ? NvmlErrors.Create(failed.Code, failed.Function, message, failed.IsTransient, failed)
                : new ObjectDisposedException(nameof(NvmlSession), message);
        }
    }

    /// <summary>Destroys the instances that were created; null, or the failure.</summary>
    private static Exception? TryUndo(GpuInstance gpuInstance, ComputeInstance? computeInstance)
    {
        try
        {
            if (computeInstance is not null)
                DestroyIfThere(computeInstance.Destroy, () => computeInstance.IsDestroyed);
            DestroyIfThere(gpuInstance.Destroy, () => gpuInstance.IsDestroyed);
            return null;
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return e;
        }
    }

    private async Task Release(Func<TimeSpan, Task> wait)
    {
        Retry retry = new(_timeout, FirstDelay, TimeProvider.System);
        while (true)
        {
            try
            {
                if (_isComputeInstanceLeft)
                    DestroyIfThere(ComputeInstance.Destroy, () => ComputeInstance.IsDestroyed);
                _isComputeInstanceLeft = false;
                if (_isGpuInstanceLeft)
                    DestroyIfThere(GpuInstance.Destroy, () => GpuInstance.IsDestroyed);
                _isGpuInstanceLeft = false;
                return;
            }
            catch (NvmlException e) when (retry.IsWorthwhile(e))
            {
                await wait(retry.NextDelay()).ConfigureAwait(false);
            }
            catch (NvmlException e)
            {
                string left = $"The scoped {GpuInstance}{(_isComputeInstanceLeft ? "" : ", without its compute instance,")}";
                Log.ScopedInstanceLeft(_session.Logger, left, e.Message);
                string message = $"{left} remains after {retry.Elapsed.TotalSeconds:0.#} s: {e.Message} Dispose again to try again.";
                throw NvmlErrors.Create(e.Code, e.Function, message, e.IsTransient, e);
            }
        }
    }

    /// <summary>An instance that another process destroyed is destroyed, and so is one that a failed call destroyed.</summary>
    private static void DestroyIfThere(Action destroy, Func<bool> isDestroyed)
    {
        try
        {
            destroy();
        }
        catch (NvmlException e) when (e is NvmlNotFoundException || isDestroyed())
        {
        }
    }
}
