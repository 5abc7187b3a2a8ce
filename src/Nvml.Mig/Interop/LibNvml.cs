namespace Nvml.Mig.Interop;

/// <summary>
/// The functions of libnvidia-ml.so.1 under their own names: declarations only. Calling one outside a
/// <see cref="Native.Lease"/> is an error; only the Native floor does.
/// </summary>
internal static unsafe partial class LibNvml
{
    /// <summary>The name in every import. <see cref="Native.NvmlLibrary"/> decides which file it stands for.</summary>
    public const string Name = "nvidia-ml";

    public const uint NVML_DEVICE_MIG_DISABLE = 0x0;
    public const uint NVML_DEVICE_MIG_ENABLE = 0x1;
    public const uint NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 = 0x7;
    public const uint NVML_GPU_INSTANCE_PROFILE_CAPS_P2P = 0x1;
    public const uint NVML_GPU_INSTANCE_PROFILE_CAPS_GFX = 0x2;
    public const uint NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED = 0x0;
    public const int NVML_DEVICE_NAME_V2_BUFFER_SIZE = 96;
    public const int NVML_DEVICE_UUID_V2_BUFFER_SIZE = 96;
    public const int NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE = 32;
    public const int NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE = 16;
    public const int NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE = 80;
    public const int NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE = 80;

    /// <summary>nvml.h's NVML_STRUCT_VERSION: a struct's size and version in one number.</summary>
    public static uint StructVersion<T>(uint version)
        where T : unmanaged => (uint)sizeof(T) | (version << 24);
}
