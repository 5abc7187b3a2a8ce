using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Nvml.Mig.Interop;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// Watches GPUs for events, from the moment it is made. Dispose of it before its session: NVML stays initialised as long as one is
/// left.
/// </summary>
/// <example>
/// <code>
/// using GpuEventWatcher watcher = session.WatchEvents(GpuEventKinds.Xid | GpuEventKinds.MigConfigChange);
/// await foreach (GpuEvent happened in watcher.ReadAllAsync(cancellationToken))
///     Console.WriteLine(happened); // Xid 94 on GPU 0 (GPU-...), GPU instance 2, compute instance 0
/// </code>
/// </example>
public sealed class GpuEventWatcher : IDisposable
{
    /// <summary>How long one wait in the driver lasts: it cannot be woken, so that cancelling takes as long at worst.</summary>
    private const uint WaitMilliseconds = 100;

    private readonly NativeEventSet _set;
    private readonly List<(GpuDevice Device, NativeGpu Native)> _watched;
    private int _isRead;
    private volatile bool _disposed;

    internal GpuEventWatcher(NativeEventSet set, List<(GpuDevice Device, NativeGpu Native)> watched)
    {
        _set = set;
        _watched = watched;
    }

    /// <summary>
    /// The events since the watcher was made, and those to come, until it is cancelled or the watcher disposed of. A GPU that is lost
    /// is one event of the kind <see cref="GpuEventKinds.GpuLost"/>; the others are watched on.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting, within about 100 ms.</param>
    /// <exception cref="InvalidOperationException">Somebody reads them already: each event comes once.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="NvmlException">The events cannot be waited for.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed, or the watcher had been disposed of before.</exception>
    public async IAsyncEnumerable<GpuEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Exchange(ref _isRead, 1) != 0)
            throw new InvalidOperationException("The events of this watcher are being read already. Each comes once: make another watcher.");
        Channel<GpuEvent> events = Channel.CreateUnbounded<GpuEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // A thread of its own, since it sleeps in the driver.
        Task waiting = Task.Factory.StartNew(
            () => Wait(events.Writer, ended.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            await foreach (GpuEvent happened in events.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
                yield return happened;
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await waiting.ConfigureAwait(false);
            Volatile.Write(ref _isRead, 0);
        }
    }

    /// <summary>Ends the watching, and the reading if there is any.</summary>
    public void Dispose()
    {
        _disposed = true;
        _set.Dispose();
    }

    private void Wait(ChannelWriter<GpuEvent> events, CancellationToken cancellationToken)
    {
        HashSet<GpuDevice> lost = [];
        try
        {
            while (!cancellationToken.IsCancellationRequested && !_disposed)
            {
                switch (_set.Wait(WaitMilliseconds, out nvmlEventData_t data))
                {
                    case nvmlReturn_t.NVML_SUCCESS:
                        events.TryWrite(ToEvent(data));
                        break;
                    case nvmlReturn_t.NVML_ERROR_GPU_IS_LOST:
                        foreach ((GpuDevice device, NativeGpu native) in _watched)
                        {
                            if (!lost.Contains(device) && native.IsLost() && lost.Add(device))
                                events.TryWrite(new GpuEvent(device, GpuEventKinds.GpuLost, 0, null, null));
                        }

                        // NVML says so at once from now on, and does not wait.
                        cancellationToken.WaitHandle.WaitOne((int)WaitMilliseconds);
                        break;
                    default:
                        break;
                }
            }

            events.Complete();
        }
        catch (ObjectDisposedException) when (_disposed)
        {
            events.Complete();
        }
        catch (Exception e)
        {
            events.Complete(e);
        }
    }

    private GpuEvent ToEvent(nvmlEventData_t data)
    {
        nint handle = data.device.Value;
        GpuDevice device = _watched.Find(watched => watched.Native.Handle.Value == handle).Device
            ?? throw new InvalidOperationException("NVML reports an event of a GPU that is not watched.");
        return new GpuEvent(
            device,
            (GpuEventKinds)data.eventType,
            (long)data.eventData,
            NativeDevice.InstanceId(data.gpuInstanceId),
            NativeDevice.InstanceId(data.computeInstanceId));
    }
}
