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

    private readonly NativeSession _session;
    private readonly NativeEventSet _set;
    private readonly List<(GpuDevice Device, NativeGpu Native)> _watched;
    private readonly HashSet<GpuDevice> _lost;
    private readonly Channel<GpuEvent> _events =
        Channel.CreateUnbounded<GpuEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    private int _isRead;
    private volatile bool _disposed;

    internal GpuEventWatcher(
        NativeSession session, NativeEventSet set, List<(GpuDevice Device, NativeGpu Native)> watched, IReadOnlyCollection<GpuDevice> lost)
    {
        _session = session;
        _set = set;
        _watched = watched;
        _lost = [.. lost];
        foreach (GpuDevice device in lost)
            _events.Writer.TryWrite(Lost(device));
    }

    /// <summary>
    /// The events since the watcher was made, and those to come, until it is cancelled or the watcher disposed of. Each comes once, also when
    /// the reading is ended and begun again. A GPU that is lost is one event of the kind <see cref="GpuEventKinds.GpuLost"/>; the others are
    /// watched on.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting, within about 100 ms.</param>
    /// <exception cref="InvalidOperationException">Somebody reads them at the moment.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="NvmlException">The events cannot be waited for.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed, or the watcher had been disposed of before.</exception>
    public async IAsyncEnumerable<GpuEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Exchange(ref _isRead, 1) != 0)
            throw new InvalidOperationException("The events of this watcher are being read already. Each comes once: make another watcher.");
        using CancellationTokenSource ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // A thread of its own, since it sleeps in the driver.
        Task waiting = Task.Factory.StartNew(
            () => Wait(ended.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            bool isOver = false;
            while (!isOver)
            {
                Task<bool> more = _events.Reader.WaitToReadAsync(ended.Token).AsTask();
                isOver = await Task.WhenAny(more, waiting).ConfigureAwait(false) == waiting;
                while (_events.Reader.TryRead(out GpuEvent happened))
                    yield return happened;
                cancellationToken.ThrowIfCancellationRequested();
            }

            await waiting.ConfigureAwait(false);
        }
        finally
        {
            await ended.CancelAsync().ConfigureAwait(false);
            await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Volatile.Write(ref _isRead, 0);
        }
    }

    /// <summary>Ends the watching, and the reading if there is any.</summary>
    public void Dispose()
    {
        _disposed = true;
        _set.Dispose();
    }

    private static GpuEvent Lost(GpuDevice device) => new(device, GpuEventKinds.GpuLost, 0, null, null);

    /// <summary>Takes events from the driver until it is told to end, or cannot.</summary>
    private void Wait(CancellationToken cancellationToken)
    {
        try
        {
            while (!cancellationToken.IsCancellationRequested && !_disposed)
            {
                switch (_set.Wait(WaitMilliseconds, out nvmlEventData_t data))
                {
                    case nvmlReturn_t.NVML_SUCCESS:
                        _events.Writer.TryWrite(ToEvent(data));
                        break;
                    case nvmlReturn_t.NVML_ERROR_GPU_IS_LOST:
                        TellOfTheLost();
                        // NVML says so at once from now on, and does not wait.
                        cancellationToken.WaitHandle.WaitOne((int)WaitMilliseconds);
                        break;
                    default:
                        break;
                }
            }
        }
        catch (ObjectDisposedException) when (_disposed)
        {
            // That is how it ends.
        }
    }

    /// <summary>NVML does not say which GPU is lost.</summary>
    private void TellOfTheLost()
    {
        foreach ((GpuDevice device, NativeGpu native) in _watched)
        {
            if (!_lost.Contains(device) && native.IsLost() && _lost.Add(device))
                _events.Writer.TryWrite(Lost(device));
        }

        if (!_watched.Exists(watched => _lost.Contains(watched.Device)))
            throw _session.Error(nvmlReturn_t.NVML_ERROR_GPU_IS_LOST, nameof(LibNvml.nvmlEventSetWait_v2), "wait for events: a GPU is lost, and all of them answer");
    }

    private GpuEvent ToEvent(nvmlEventData_t data)
    {
        nint handle = data.device.Value;
        GpuDevice device = _watched.Find(watched => watched.Native.Handle.Value == handle).Device
            ?? _watched[0].Device.Session.Devices[(int)_session.GetIndex(data.device)];
        return new GpuEvent(
            device,
            (GpuEventKinds)data.eventType,
            (long)data.eventData,
            NativeDevice.InstanceId(data.gpuInstanceId),
            NativeDevice.InstanceId(data.computeInstanceId));
    }
}
