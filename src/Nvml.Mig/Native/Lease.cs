namespace Nvml.Mig.Native;

/// <summary>
/// A promise that NVML stays initialised: while one is held, closing the session waits for it. On the stack only, so that none
/// outlives its call.
/// </summary>
internal readonly ref struct Lease(NativeSession session)
{
    public void Dispose() => session.DangerousRelease();
}
