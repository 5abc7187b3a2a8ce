// nvml.h: constants of NVML 13, compared with the C compiler by AbiTests.
namespace Nvml.Mig.Interop;

/// <summary>The functions of libnvidia-ml.so.1 and their constants, under their own names: declarations only.</summary>
internal static unsafe partial class LibNvml
{
    /// <summary>The name in every import. It stands for the library that this process has loaded.</summary>
    public const string Name = "nvidia-ml";

    public const uint NVML_DEVICE_MIG_DISABLE = 0x0;
    public const uint NVML_DEVICE_MIG_ENABLE = 0x1;
    public const uint NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 = 0x7;
    public const uint NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED = 0x0;
    public const uint NVML_TEMPERATURE_GPU = 0;
    public const uint NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED = 184;
    public const uint NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE = 199;
    public const uint NVML_VALUE_TYPE_DOUBLE = 0;
    public const uint NVML_VALUE_TYPE_UNSIGNED_INT = 1;
    public const uint NVML_VALUE_TYPE_UNSIGNED_LONG = 2;
    public const uint NVML_VALUE_TYPE_UNSIGNED_LONG_LONG = 3;
    public const uint NVML_VALUE_TYPE_SIGNED_LONG_LONG = 4;
    public const uint NVML_VALUE_TYPE_SIGNED_INT = 5;
    public const uint NVML_VALUE_TYPE_UNSIGNED_SHORT = 6;
    public const uint NVML_INIT_FLAG_NO_GPUS = 1;
    public const uint NVML_INIT_FLAG_NO_ATTACH = 2;
    public const int NVML_GPM_METRIC_MAX = 333;
    public const uint NVML_GPM_METRICS_GET_VERSION = 1;
    public const uint NVML_GPM_SUPPORT_VERSION = 1;
    public const int NVML_DEVICE_NAME_V2_BUFFER_SIZE = 96;
    public const int NVML_DEVICE_UUID_V2_BUFFER_SIZE = 96;
    public const int NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE = 32;
    public const int NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE = 16;
    public const int NVML_DEVICE_SERIAL_BUFFER_SIZE = 30;
    public const int NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE = 32;
    public const int NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE = 80;
    public const int NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE = 80;
}
