namespace Nvml.Mig.Native;

/// <summary>
/// A promise that NVML stays initialised: while one is held, a closed session is not shut down yet. On the stack only, so that none
/// outlives its call.
/// </summary>
internal readonly ref struct CallScope(NativeSession session, ThreadCalls? calls)
{
    public void Dispose()
    {
        if (calls is not null)
            session.Leave(calls);
        else
            session.DangerousRelease();
    }
}
