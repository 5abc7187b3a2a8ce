using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A compute instance: multiprocessors of a GPU instance, and as a <see cref="MigDevice"/> what programs run on.
/// </summary>
/// <remarks><inheritdoc cref="GpuInstance" path="/remarks"/></remarks>
public sealed class ComputeInstance
{
    private readonly NativeComputeInstance _native;
    private volatile bool _destroyed;

    internal ComputeInstance(GpuInstance gpuInstance, NativeComputeInstance native, ComputeInstanceProfile profile)
    {
        GpuInstance = gpuInstance;
        _native = native;
        Profile = profile;
    }

    /// <summary>The GPU instance that it is a part of.</summary>
    public GpuInstance GpuInstance { get; }

    /// <summary>The id within the GPU instance: the lowest that was free, from 0.</summary>
    public int Id => _native.Info.Id;

    /// <summary>The profile that it was created from.</summary>
    public ComputeInstanceProfile Profile { get; }

    /// <summary>Its compute slices of the GPU instance.</summary>
    public Placement Placement => _native.Info.Placement;

    /// <summary>
    /// The MIG device that this compute instance is. Where the driver does not report it, it is found among the MIG devices of the GPU: for
    /// all of them, call <see cref="GpuDevice.GetMigDevices"/> once.
    /// </summary>
    /// <exception cref="NvmlNotFoundException">The instance is gone, or the driver shows no MIG device for it.</exception>
    public MigDevice GetMigDevice()
    {
        const string function = NvmlFunction.GetMigDevice;
        ThrowIfDestroyed(function);
        if (_native.TryGetMigDevice() is { } reported && reported.GpuInstanceId == GpuInstance.Id && reported.ComputeInstanceId == Id)
        {
            ThrowIfGone(function);
            return new MigDevice(GpuInstance.Device, reported);
        }

        // Other processes can shift the indices during a walk, so that one walk may miss the device.
        for (int walk = 0; walk < 3; walk++)
        {
            ThrowIfGone(function);
            if (GpuInstance.Device.Native.FindMigDevice(GpuInstance.Id, Id) is { } found)
                return new MigDevice(GpuInstance.Device, found);
        }

        throw NvmlErrors.Refused(
            NvmlReturnCode.NotFound,
            function,
            $"The driver shows no MIG device for {this}, though it exists",
            "Wait until no other program changes the GPU, and try again.");
    }

    /// <summary>
    /// Destroys the instance, and its MIG device with it. Needs root or the MIG config capability. No process may use it. The GPU
    /// instance stays. Four native calls: whether both are still the same, the change, and whether it is gone.
    /// </summary>
    /// <exception cref="NvmlInUseException">Something uses it; nothing changed.</exception>
    /// <inheritdoc cref="GpuInstance.Destroy()" path="/exception"/>
    public void Destroy() => Destroy(readBack: true);

    /// <summary>Whether the instance is still there, and no other in its place. Two native calls.</summary>
    public bool Exists() => !_destroyed && GpuInstance.Exists() && _native.Exists();

    /// <inheritdoc cref="GpuInstance.Destroy(bool)"/>
    internal void Destroy(bool readBack)
    {
        ThrowIfGone(NvmlFunction.DestroyComputeInstance);
        NativeChange change = _native.Destroy(readBack, out bool? remains);
        NativeSession session = GpuInstance.Native.Session;
        if (!change.Succeeded && remains is null && !GpuInstance.Exists())
            remains = false;
        _destroyed = remains is false || (change.Succeeded && remains is null);
        if (!_destroyed || !change.Succeeded)
        {
            string? why = change.Code == NvmlReturnCode.InUse ? Explanation.WhoUses(GpuInstance.Device, GpuInstance.Id, Id) : null;
            throw Explanation.NotDestroyed(session, change, remains, ToString(), ToString(), why, null);
        }

        if (session.LogsChanges)
            Log.ComputeInstanceDestroyed(session.Logger, ToString(), change.Took.TotalMilliseconds);
    }

    /// <summary><c>compute instance 0 (3g.20gb) of GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-...)</c></summary>
    public override string ToString() => $"compute instance {Id} ({Profile.Name}) of {GpuInstance}";

    /// <inheritdoc cref="GpuInstance.IsDestroyed"/>
    internal bool IsDestroyed => _destroyed;

    private void ThrowIfDestroyed(string function)
    {
        if (_destroyed)
            throw NvmlErrors.Gone(function, ToString());
    }

    /// <summary>Throws if the instance is gone, or it or its GPU instance has a successor.</summary>
    private void ThrowIfGone(string function)
    {
        ThrowIfDestroyed(function);
        GpuInstance.ThrowIfGone(function);
        if (!_native.Exists())
            throw NvmlErrors.Gone(function, ToString());
    }
}
