using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// Watches GPUs for events, from its creation on. Dispose of it before its session: NVML stays initialised as long as one remains.
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
    /// <summary>
    /// How often it is looked. NVML is not asked to wait: meanwhile all other waits of the process, and the creation of event sets, would
    /// stand still (measured, driver 580). Looking takes 2 µs.
    /// </summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);

    private readonly NativeSession _session;
    private readonly NativeEventSet _set;
    private readonly IReadOnlyList<GpuDevice> _devices;
    private readonly IReadOnlyList<GpuDevice> _watched;
    private readonly HashSet<GpuDevice> _lost;
    private readonly Channel<GpuEvent> _events =
        Channel.CreateUnbounded<GpuEvent>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    private int _isRead;
    private volatile bool _disposed;

    /// <summary>
    /// <paramref name="devices"/> are all GPUs of the machine; <paramref name="lost"/> were to be watched and are lost already.
    /// </summary>
    internal GpuEventWatcher(
        NativeSession session,
        NativeEventSet set,
        IReadOnlyList<GpuDevice> devices,
        IReadOnlyList<GpuDevice> watched,
        IReadOnlyCollection<GpuDevice> lost)
    {
        _session = session;
        _set = set;
        _devices = devices;
        _watched = watched;
        _lost = [.. lost];
        foreach (GpuDevice device in lost)
            _events.Writer.TryWrite(Lost(device));
    }

    /// <summary>
    /// The events since the watcher was created, and those to come, until it is cancelled or the watcher disposed of. Each comes once, also
    /// when the reading is ended and begun again. A GPU that is lost is one event of the kind <see cref="GpuEventKinds.GpuLost"/>; the
    /// others are watched on.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="InvalidOperationException">They are being read already.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    /// <exception cref="NvmlException">The events cannot be waited for.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed, or the watcher had been disposed of before.</exception>
    public async IAsyncEnumerable<GpuEvent> ReadAllAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Exchange(ref _isRead, 1) != 0)
            throw new InvalidOperationException("The events of this watcher are being read already, and each comes once: create another.");
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

    /// <summary>An event that has come already, without waiting. False if there is none, or the only GPU that is watched is lost.</summary>
    internal bool TryTake(out GpuEvent happened)
    {
        bool isThere = _set.Wait(0, out NativeEvent native) == NvmlReturnCode.Success;
        happened = isThere ? ToEvent(native) : default;
        return isThere;
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
                NvmlReturnCode code = _set.Wait(0, out NativeEvent happened);
                if (code == NvmlReturnCode.Success)
                {
                    _events.Writer.TryWrite(ToEvent(happened));
                    continue;
                }

                if (code == NvmlReturnCode.GpuIsLost)
                    ReportLost();
                cancellationToken.WaitHandle.WaitOne(LookInterval);
            }
        }
        catch (ObjectDisposedException) when (_disposed)
        {
            // The end, as wanted.
        }
    }

    /// <summary>NVML does not say which GPU is lost.</summary>
    private void ReportLost()
    {
        foreach (GpuDevice device in _watched)
        {
            if (!_lost.Contains(device) && device.Native.IsLost() && _lost.Add(device))
                _events.Writer.TryWrite(Lost(device));
        }

        if (!_watched.Any(_lost.Contains))
        {
            throw _session.Error(
                NvmlReturnCode.GpuIsLost, NvmlFunction.WaitForEvent, "wait for events: a GPU is lost, and all watched ones answer");
        }
    }

    private GpuEvent ToEvent(NativeEvent e) =>
        new(_devices[e.GpuIndex], (GpuEventKinds)e.Type, (long)e.Data, e.GpuInstanceId, e.ComputeInstanceId);
}
