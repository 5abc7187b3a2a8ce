namespace Nvml.Mig.Native;

/// <summary>
/// Whether one thread is in a call of a session. If all threads counted their calls in one place, as a SafeHandle does, each call would take
/// two locked operations, and these were two thirds of what a call cost above C (14 of 22 ns, measured). So each thread says it in a place of
/// its own, with plain writes, and who closes a session pays for it.
/// </summary>
/// <remarks>
/// A thread first says that it is in a call, and then looks whether the session is closing. Who closes first says so, then has every
/// processor that runs a thread of this process execute a barrier (<see cref="Interlocked.MemoryBarrierProcessWide"/>, on Linux membarrier), and
/// then looks at the threads. So at least one sees the other: the thread finds the session closing, or is found in its call. At the end of a
/// call it is the same: the thread finds the session closing, and closes it if it was the last, or is found to be out.
/// </remarks>
internal sealed class ThreadCalls
{
    private static readonly Lock Registering = new();
    private static readonly List<WeakReference<ThreadCalls>> All = []; // each lives as long as its thread

    [ThreadStatic]
    private static ThreadCalls? _ofThisThread;

    private NativeSession? _session;
    private int _depth; // of leases within leases; only the thread itself looks at it

    public static ThreadCalls OfThisThread => _ofThisThread ?? Register();

    /// <summary>Whether a thread is in a call of a session.</summary>
    public static bool IsAnyIn(NativeSession session)
    {
        lock (Registering)
            return All.Exists(weak => weak.TryGetTarget(out ThreadCalls? thread) && Volatile.Read(ref thread._session) == session);
    }

    /// <summary>False within a call of another session, as a logger's: there is one place for each thread.</summary>
    public bool TryEnter(NativeSession session)
    {
        if (_depth == 0)
            Volatile.Write(ref _session, session);
        else if (_session != session)
            return false;
        _depth++;
        return true;
    }

    /// <summary>Whether that was the outermost call.</summary>
    public bool Leave()
    {
        if (--_depth > 0)
            return false;
        Volatile.Write(ref _session, null);
        return true;
    }

    private static ThreadCalls Register()
    {
        ThreadCalls own = new();
        lock (Registering)
        {
            All.RemoveAll(weak => !weak.TryGetTarget(out _));
            All.Add(new WeakReference<ThreadCalls>(own));
        }

        return _ofThisThread = own;
    }
}
