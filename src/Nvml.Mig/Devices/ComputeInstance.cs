using Nvml.Mig.Native;

namespace Nvml.Mig;

/// <summary>
/// A compute instance: multiprocessors of a GPU instance, and as a <see cref="MigDevice"/> what programs run on.
/// </summary>
/// <remarks><inheritdoc cref="GpuInstance" path="/remarks"/></remarks>
public sealed class ComputeInstance
{
    private readonly NativeComputeInstance _native;
    private readonly InstanceInfo _info;
    private volatile bool _destroyed;

    internal ComputeInstance(GpuInstance gpuInstance, NativeComputeInstance native, InstanceInfo info, ComputeInstanceProfile profile)
    {
        GpuInstance = gpuInstance;
        _native = native;
        _info = info;
        Profile = profile;
    }

    /// <summary>The GPU instance that it is a part of.</summary>
    public GpuInstance GpuInstance { get; }

    /// <summary>The id within the GPU instance: the lowest that was free, from 0.</summary>
    public int Id => _info.Id;

    /// <summary>The profile that it was created from.</summary>
    public ComputeInstanceProfile Profile { get; }

    /// <summary>The compute slices of the GPU instance that it has.</summary>
    public Placement Placement => _info.Placement;

    /// <summary>
    /// The MIG device that this compute instance is. Where the driver does not tell, it is found among the MIG devices of the GPU: when you
    /// want all of them, ask <see cref="GpuDevice.GetMigDevices"/> once.
    /// </summary>
    /// <exception cref="NvmlNotFoundException">The instance is gone, or the driver shows no MIG device for it.</exception>
    /// <exception cref="NvmlException">The MIG devices cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public MigDevice GetMigDevice()
    {
        const string function = "nvmlDeviceGetMigDeviceHandleByIndex";
        if (_destroyed)
            throw GpuDevice.Gone(function, ToString());
        if (_native.TryGetMigDevice() is { } told && told.GpuInstanceId == GpuInstance.Id && told.ComputeInstanceId == Id)
        {
            ThrowIfGone(function);
            return new MigDevice(GpuInstance.Device, told);
        }

        // Other processes can shift the indices while we walk them, so that one walk may miss the device.
        for (int walk = 0; walk < 3; walk++)
        {
            ThrowIfGone(function);
            MigDevice? found = GpuInstance.Device.EnumerateMigDevices()
                .FirstOrDefault(device => device.GpuInstanceId == GpuInstance.Id && device.ComputeInstanceId == Id);
            if (found is not null)
                return found;
        }

        throw new NvmlNotFoundException(
            NvmlReturnCode.NotFound, function, $"The driver shows no MIG device for {this}, though it exists. Wait until no other program changes the GPU, and try again.");
    }

    /// <summary>
    /// Destroys the instance, and its MIG device with it. Needs root or the MIG config capability. No process may use it. The GPU
    /// instance stays.
    /// </summary>
    /// <exception cref="NvmlInUseException">Something uses it; nothing changed.</exception>
    /// <exception cref="NvmlNotFoundException">The instance is gone already.</exception>
    /// <exception cref="NvmlNoPermissionException">The caller may not destroy instances.</exception>
    /// <exception cref="NvmlException">The instance cannot be destroyed for another reason.</exception>
    /// <exception cref="ObjectDisposedException">The session was closed.</exception>
    public void Destroy()
    {
        const string function = "nvmlComputeInstanceDestroy";
        if (_destroyed)
            throw GpuDevice.Gone(function, ToString());
        GpuInstance.ThrowIfDestroyed(function);
        try
        {
            _native.Destroy(this, _info, static instance => instance.GpuInstance.Device.WhoUses(instance.GpuInstance.Id, instance.Id));
        }
        catch (NvmlException e) when (e.Code == NvmlReturnCode.InvalidArgument)
        {
            ThrowIfGone(function); // it went between the question and the call
            throw;
        }

        _destroyed = true;
    }

    /// <summary><c>compute instance 0 (3g.20gb) of GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-...)</c></summary>
    public override string ToString() => $"compute instance {Id} ({Profile.Name}) of {GpuInstance}";

    /// <summary>Throws if the instance is gone, or it or its GPU instance has a successor.</summary>
    private void ThrowIfGone(string function)
    {
        if (_destroyed)
            throw GpuDevice.Gone(function, ToString());
        GpuInstance.ThrowIfGone(function);
        if (_native.TryGetInfo() != _info)
            throw GpuDevice.Gone(function, ToString());
    }
}
