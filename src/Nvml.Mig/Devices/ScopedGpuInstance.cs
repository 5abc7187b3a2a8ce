using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A GPU instance with a compute instance that takes the whole of it, for the length of a job, a test or a benchmark: disposal destroys
/// both. Made by <see cref="GpuDevice.OpenScoped"/>.
/// </summary>
/// <remarks>
/// <para>
/// The driver destroys nothing that is in use. Disposal therefore tries for as long as the patience given, since a process that ends
/// takes the driver a moment, and then throws <see cref="NvmlInUseException"/>, which says what is left and who uses it. What is left
/// keeps working and can be disposed of again. An exception from disposal takes the place of one that the job threw, which is why the
/// logger is told as well.
/// </para>
/// <para>
/// Only the two instances that were made are destroyed, as far as they can be told from others: one that was destroyed and made anew alike,
/// in the same place, cannot (see <see cref="GpuInstance"/>). Other compute instances that somebody made in the GPU instance stay, and so does then the GPU instance.
/// Instances that somebody else has destroyed meanwhile are no error.
/// </para>
/// <para>
/// Nothing is destroyed by a finalizer or when the process dies: instances outlive processes.
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
    private readonly TimeSpan _patience;
    private bool _isComputeInstanceLeft = true;
    private bool _isGpuInstanceLeft = true;

    private ScopedGpuInstance(
        NativeSession session, GpuInstance gpuInstance, ComputeInstance computeInstance, MigDevice migDevice, TimeSpan patience)
    {
        _session = session;
        _patience = patience;
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
    /// <exception cref="NvmlInUseException">They are in use still: the message says what is left. Dispose again to try again.</exception>
    /// <exception cref="NvmlException">They cannot be destroyed: the message says what is left.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed before.</exception>
    public ValueTask DisposeAsync() => new(Task.Run(() => Release(Task.Delay)));

    /// <summary>Destroys both instances; holds the thread while they are in use.</summary>
    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() =>
        // Has ended when it returns, since its pauses have.
        Release(static pause =>
        {
            Thread.Sleep(pause);
            return Task.CompletedTask;
        }).GetAwaiter().GetResult();

    internal static ScopedGpuInstance Open(
        NativeSession session, GpuDevice device, GpuInstanceProfile profile, Placement? placement, TimeSpan patience)
    {
        GpuInstance gpuInstance = device.CreateGpuInstance(profile, placement);
        ComputeInstance? computeInstance = null;
        try
        {
            computeInstance = gpuInstance.CreateComputeInstance();
            return new ScopedGpuInstance(session, gpuInstance, computeInstance, computeInstance.GetMigDevice(), patience);
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

    /// <summary>Destroys what was created; why that failed, or null.</summary>
    private static Exception? TryUndo(GpuInstance gpuInstance, ComputeInstance? computeInstance)
    {
        try
        {
            if (computeInstance is not null)
                DestroyIfThere(computeInstance.Destroy);
            DestroyIfThere(gpuInstance.Destroy);
            return null;
        }
        catch (Exception e) when (e is NvmlException or ObjectDisposedException)
        {
            return e;
        }
    }

    private async Task Release(Func<TimeSpan, Task> wait)
    {
        Retry retry = new(_patience, FirstDelay, TimeProvider.System);
        while (true)
        {
            try
            {
                if (_isComputeInstanceLeft)
                    DestroyIfThere(ComputeInstance.Destroy);
                _isComputeInstanceLeft = false;
                if (_isGpuInstanceLeft)
                    DestroyIfThere(GpuInstance.Destroy);
                _isGpuInstanceLeft = false;
                return;
            }
            catch (NvmlException e) when (retry.IsWorthwhile(e))
            {
                await wait(retry.NextDelay()).ConfigureAwait(false);
            }
            catch (NvmlException e)
            {
                string left = _isComputeInstanceLeft ? $"The scoped {GpuInstance}" : $"The scoped {GpuInstance}, without its compute instance,";
                Log.ScopedInstanceLeft(_session.Logger, left, e.Message);
                string message = $"{left} is left after {retry.Elapsed.TotalSeconds:0.#} s: {e.Message} Dispose again to try again.";
                throw NvmlErrors.Create(e.Code, e.Function, message, e.IsTransient, e);
            }
        }
    }

    /// <summary>That somebody else destroyed it is what we wanted.</summary>
    private static void DestroyIfThere(Action destroy)
    {
        try
        {
            destroy();
        }
        catch (NvmlNotFoundException)
        {
        }
    }
}
