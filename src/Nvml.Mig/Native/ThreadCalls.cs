namespace Nvml.Mig.Native;

/// <summary>
/// Whether one thread is in a call of a session. If all threads counted their calls in one place, as a SafeHandle does, each call would take
/// two locked operations, and these were two thirds of what a call cost above C (14 of 22 ns, measured). So each thread says it in a place of
/// its own, with plain writes, and who closes a session pays for it.
/// </summary>
/// <remarks>
/// <para>
/// A thread first says that it is in a call, and then looks whether the session is closing. Who would shut down knows that it is closing, has
/// each thread of this process execute a full fence (<see cref="Interlocked.MemoryBarrierProcessWide"/>, on Linux membarrier), and then looks
/// at the threads. A thread whose fence came after its word is seen in its call; one whose fence came before it finds the session closing.
/// </para>
/// <para>
/// At the end of a call a thread says that it is out, and then looks whether the session is closing. By the same fence, who looks sees it out,
/// or it finds the session closing and looks itself. The last one to look sees all others out.
/// </para>
/// <para>
/// That each who looks has all threads fenced, and not only the first, is essential: a thread that leaves can learn that the session is closing
/// before the fence of the one who closes it. It rests on volatile accesses not being swapped by the compiler.
/// </para>
/// </remarks>
internal sealed class ThreadCalls
{
    private static WeakReference<ThreadCalls>[] _all = []; // each lives as long as its thread

    [ThreadStatic]
    private static ThreadCalls? _ofThisThread;

    private NativeSession? _session;
    private int _depth; // of leases within leases; only the thread itself looks at it

    public static ThreadCalls OfThisThread => _ofThisThread ?? Register();

    /// <summary>Whether the call is within another one of the same session, which keeps it open.</summary>
    public bool IsNested => _depth > 1;

    /// <summary>Whether a thread is in a call of a session.</summary>
    public static bool IsAnyIn(NativeSession session)
    {
        foreach (WeakReference<ThreadCalls> weak in Volatile.Read(ref _all))
        {
            if (weak.TryGetTarget(out ThreadCalls? thread) && Volatile.Read(ref thread._session) == session)
                return true;
        }

        return false;
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
        WeakReference<ThreadCalls>[] known;
        do
            known = Volatile.Read(ref _all);
        while (Interlocked.CompareExchange(ref _all, [.. known.Where(weak => weak.TryGetTarget(out _)), new WeakReference<ThreadCalls>(own)], known) != known);
        return _ofThisThread = own;
    }
}
