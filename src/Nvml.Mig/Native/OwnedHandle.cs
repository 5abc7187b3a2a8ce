using System.Runtime.InteropServices;

namespace Nvml.Mig.Native;

/// <summary>
/// Something that NVML made for us and that we must give back, while NVML is still initialised: it keeps its session from being shut
/// down, and is given back exactly once, by the finalizer if need be.
/// </summary>
internal abstract class OwnedHandle : SafeHandle
{
    private readonly NativeSession _session;

    /// <summary>Called under a lease, so that the session is open.</summary>
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
