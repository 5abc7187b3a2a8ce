namespace Nvml.Mig.Native;

/// <summary>
/// A native call under way: it keeps the session open, so that NVML is shut down only after it. On the stack only; it ends with its method.
/// </summary>
internal readonly ref struct CallScope(NativeSession session)
{
    public void Dispose() => session.DangerousRelease();
}
