using System.Runtime.InteropServices;

namespace Nvml.Mig.Native;

/// <summary>
/// A resource that NVML allocated for us. It keeps its session from being shut down, and is released exactly once, while NVML is still
/// initialised, by the finalizer if need be.
/// </summary>
internal abstract class OwnedHandle : SafeHandle
{
    private readonly NativeSession _session;

    /// <summary>In a call scope, so that the session is open.</summary>
    protected OwnedHandle(NativeSession session, nint native)
        : base(invalidHandleValue: 0, ownsHandle: true)
    {
        _session = session;
        bool added = false;
        session.DangerousAddRef(ref added);
        SetHandle(native);
    }

    public override bool IsInvalid => handle == 0;

    protected abstract bool Free();

    protected sealed override bool ReleaseHandle()
    {
        bool freed = Free();
        _session.DangerousRelease();
        return freed;
    }
}
