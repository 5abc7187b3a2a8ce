using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>
/// The needs of a program or a container that uses a MIG device: device nodes, capabilities, and the name to ask for it by.
/// </summary>
/// <remarks>
/// A MIG device is one compute instance. A process that may open the GPU's node, the two capabilities of its instances and the nodes that
/// all GPUs share can use it, and no other part of the GPU. A <see cref="CdiSpecification"/> hands the same to a container runtime.
/// </remarks>
public sealed record MigDeviceAccess
{
    private static readonly string[] SharedNodes = ["/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools"];

    /// <summary>The UUID of the MIG device.</summary>
    public required string Uuid { get; init; }

    /// <summary>
    /// NVML's index of the GPU and, after a colon, of the MIG device under it: <c>0:1</c>. The second shifts when instances come and go.
    /// </summary>
    public required string IndexName { get; init; }

    /// <summary>The minor number of the GPU.</summary>
    public required int GpuMinor { get; init; }

    /// <summary>The id of the GPU instance.</summary>
    public required int GpuInstanceId { get; init; }

    /// <summary>The id of the compute instance in it.</summary>
    public required int ComputeInstanceId { get; init; }

    /// <summary>
    /// The files in which the driver describes the capabilities, that of the GPU instance and that of the compute instance. They are
    /// there while the instances are.
    /// </summary>
    public required IReadOnlyList<HostFile> CapabilityFiles { get; init; }

    /// <summary>The device nodes of its own: of the GPU, of the GPU instance's capability and of the compute instance's.</summary>
    public required IReadOnlyList<HostFile> DeviceNodes { get; init; }

    /// <summary>
    /// The device nodes that every GPU needs: the driver's control node and those of unified memory. <c>nvidia-modprobe -u -c 0</c>
    /// makes missing ones, as does the first CUDA program of the host.
    /// </summary>
    public required IReadOnlyList<HostFile> SharedDeviceNodes { get; init; }

    /// <summary>
    /// The value for <c>CUDA_VISIBLE_DEVICES</c> (drivers from R470 on): the UUID. Several are separated by commas, but drivers before 570
    /// let a process use the first only.
    /// </summary>
    public string CudaVisibleDevices => Uuid;

    /// <summary>
    /// The value for <c>NVIDIA_VISIBLE_DEVICES</c>: the UUID. Several are separated by commas.
    /// </summary>
    public string NvidiaVisibleDevices => Uuid;

    /// <summary>Finds the needs of a MIG device. One native call, one more for the first device of a GPU.</summary>
    /// <param name="device">The MIG device.</param>
    /// <param name="minors">The numbers of the capabilities.</param>
    /// <param name="root">Where the host's file system is.</param>
    /// <exception cref="KeyNotFoundException">
    /// The driver has no capability for the instance: <paramref name="minors"/> are another machine's.
    /// </exception>
    /// <exception cref="NvmlNotFoundException">The device is gone.</exception>
    /// <exception cref="NvmlException">The device cannot be read.</exception>
    public static MigDeviceAccess Find(MigDevice device, MigMinors minors, HostRoot root = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(minors);
        int gpu = device.Device.MinorNumber;
        int gpuInstance = device.GpuInstanceId;
        int computeInstance = device.ComputeInstanceId;
        int gpuInstanceCapability = minors.GetGpuInstance(gpu, gpuInstance)
            ?? throw Unknown(device, MigMinors.NameOf(gpu, gpuInstance));
        int computeInstanceCapability = minors.GetComputeInstance(gpu, gpuInstance, computeInstance)
            ?? throw Unknown(device, MigMinors.NameOf(gpu, gpuInstance, computeInstance));
        string capabilities = string.Create(CultureInfo.InvariantCulture, $"/proc/driver/nvidia/capabilities/gpu{gpu}/mig/gi{gpuInstance}");
        return new MigDeviceAccess
        {
            Uuid = device.Uuid,
            IndexName = string.Create(CultureInfo.InvariantCulture, $"{device.Device.Index}:{device.GetIndex()}"),
            GpuMinor = gpu,
            GpuInstanceId = gpuInstance,
            ComputeInstanceId = computeInstance,
            CapabilityFiles =
            [
                root.Look($"{capabilities}/access"),
                root.Look(string.Create(CultureInfo.InvariantCulture, $"{capabilities}/ci{computeInstance}/access")),
            ],
            DeviceNodes =
            [
                root.Look(string.Create(CultureInfo.InvariantCulture, $"/dev/nvidia{gpu}")),
                root.Look(MigMinors.DeviceNode(gpuInstanceCapability)),
                root.Look(MigMinors.DeviceNode(computeInstanceCapability)),
            ],
            SharedDeviceNodes = [.. SharedNodes.Select(root.Look)],
        };
    }

    /// <summary>The UUID.</summary>
    public override string ToString() => Uuid;

    private static KeyNotFoundException Unknown(MigDevice device, string capability) =>
        new($"The driver's table of MIG's device numbers has none for {capability}, which {device.Uuid} on {device.Device} needs.");
}
