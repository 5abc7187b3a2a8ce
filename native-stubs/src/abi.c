/* The layout of nvml_abi.h by the compiler: one fact for every struct, member and constant that the bindings declare too. */
#include "nvml_stub.h"

#include <stddef.h>

#define SIZE(type) {"sizeof " #type, sizeof(type)}
#define MEMBER(type, member)                                                                                           \
    {"offsetof " #type "." #member, offsetof(type, member)}, {"sizeof " #type "." #member, sizeof(((type *)0)->member)}
#define CONSTANT(name) {#name, name}
#define VERSION(type, version) {"version " #type, NVML_STRUCT_VERSION(type, version)}
#define RETURN_CODE(name, value, text) CONSTANT(name),

static const nvmlStubAbiFact_t facts[] = {
    NVML_RETURN_CODES(RETURN_CODE)

    CONSTANT(NVML_DEVICE_MIG_DISABLE),
    CONSTANT(NVML_DEVICE_MIG_ENABLE),
    CONSTANT(NVML_GPU_INSTANCE_PROFILE_CAPS_P2P),
    CONSTANT(NVML_GPU_INSTANCE_PROFILE_CAPS_GFX),
    CONSTANT(NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1),
    CONSTANT(NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED),
    CONSTANT(NVML_DEVICE_NAME_V2_BUFFER_SIZE),
    CONSTANT(NVML_DEVICE_UUID_V2_BUFFER_SIZE),
    CONSTANT(NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE),
    CONSTANT(NVML_DEVICE_PCI_BUS_ID_BUFFER_V2_SIZE),
    CONSTANT(NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE),
    CONSTANT(NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE),
    CONSTANT(NVML_DEVICE_SERIAL_BUFFER_SIZE),
    CONSTANT(NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE),
    CONSTANT(NVML_COMPUTE_INSTANCE_PROFILE_CAPS_GFX),

    CONSTANT(NVML_INIT_FLAG_NO_GPUS),
    CONSTANT(NVML_INIT_FLAG_NO_ATTACH),
    CONSTANT(NVML_INIT_FLAG_FORCE_INIT),

    CONSTANT(NVML_DEVICE_ARCH_KEPLER),
    CONSTANT(NVML_DEVICE_ARCH_MAXWELL),
    CONSTANT(NVML_DEVICE_ARCH_PASCAL),
    CONSTANT(NVML_DEVICE_ARCH_VOLTA),
    CONSTANT(NVML_DEVICE_ARCH_TURING),
    CONSTANT(NVML_DEVICE_ARCH_AMPERE),
    CONSTANT(NVML_DEVICE_ARCH_ADA),
    CONSTANT(NVML_DEVICE_ARCH_HOPPER),
    CONSTANT(NVML_DEVICE_ARCH_BLACKWELL),
    CONSTANT(NVML_DEVICE_ARCH_RUBIN),
    CONSTANT(NVML_DEVICE_ARCH_UNKNOWN),

    CONSTANT(NVML_BRAND_UNKNOWN),
    CONSTANT(NVML_BRAND_QUADRO),
    CONSTANT(NVML_BRAND_TESLA),
    CONSTANT(NVML_BRAND_NVS),
    CONSTANT(NVML_BRAND_GRID),
    CONSTANT(NVML_BRAND_GEFORCE),
    CONSTANT(NVML_BRAND_TITAN),
    CONSTANT(NVML_BRAND_NVIDIA_VAPPS),
    CONSTANT(NVML_BRAND_NVIDIA_VPC),
    CONSTANT(NVML_BRAND_NVIDIA_VCS),
    CONSTANT(NVML_BRAND_NVIDIA_VWS),
    CONSTANT(NVML_BRAND_NVIDIA_CLOUD_GAMING),
    CONSTANT(NVML_BRAND_QUADRO_RTX),
    CONSTANT(NVML_BRAND_NVIDIA_RTX),
    CONSTANT(NVML_BRAND_NVIDIA),
    CONSTANT(NVML_BRAND_GEFORCE_RTX),
    CONSTANT(NVML_BRAND_TITAN_RTX),

    CONSTANT(NVML_COMPUTEMODE_DEFAULT),
    CONSTANT(NVML_COMPUTEMODE_EXCLUSIVE_THREAD),
    CONSTANT(NVML_COMPUTEMODE_PROHIBITED),
    CONSTANT(NVML_COMPUTEMODE_EXCLUSIVE_PROCESS),

    CONSTANT(NVML_GPU_VIRTUALIZATION_MODE_NONE),
    CONSTANT(NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH),
    CONSTANT(NVML_GPU_VIRTUALIZATION_MODE_VGPU),
    CONSTANT(NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU),
    CONSTANT(NVML_GPU_VIRTUALIZATION_MODE_HOST_VSGA),

    CONSTANT(NVML_MEMORY_ERROR_TYPE_CORRECTED),
    CONSTANT(NVML_MEMORY_ERROR_TYPE_UNCORRECTED),

    CONSTANT(NVML_MEMORY_LOCATION_L1_CACHE),
    CONSTANT(NVML_MEMORY_LOCATION_L2_CACHE),
    CONSTANT(NVML_MEMORY_LOCATION_DRAM),
    CONSTANT(NVML_MEMORY_LOCATION_REGISTER_FILE),
    CONSTANT(NVML_MEMORY_LOCATION_TEXTURE_MEMORY),
    CONSTANT(NVML_MEMORY_LOCATION_TEXTURE_SHM),
    CONSTANT(NVML_MEMORY_LOCATION_CBU),
    CONSTANT(NVML_MEMORY_LOCATION_SRAM),

    CONSTANT(NVML_VALUE_TYPE_DOUBLE),
    CONSTANT(NVML_VALUE_TYPE_UNSIGNED_INT),
    CONSTANT(NVML_VALUE_TYPE_UNSIGNED_LONG),
    CONSTANT(NVML_VALUE_TYPE_UNSIGNED_LONG_LONG),
    CONSTANT(NVML_VALUE_TYPE_SIGNED_LONG_LONG),
    CONSTANT(NVML_VALUE_TYPE_SIGNED_INT),
    CONSTANT(NVML_VALUE_TYPE_UNSIGNED_SHORT),

    CONSTANT(NVML_GPU_FABRIC_STATE_NOT_SUPPORTED),
    CONSTANT(NVML_GPU_FABRIC_STATE_NOT_STARTED),
    CONSTANT(NVML_GPU_FABRIC_STATE_IN_PROGRESS),
    CONSTANT(NVML_GPU_FABRIC_STATE_COMPLETED),

    CONSTANT(NVML_GPM_METRIC_GRAPHICS_UTIL),
    CONSTANT(NVML_GPM_METRIC_SM_UTIL),
    CONSTANT(NVML_GPM_METRIC_SM_OCCUPANCY),
    CONSTANT(NVML_GPM_METRIC_INTEGER_UTIL),
    CONSTANT(NVML_GPM_METRIC_ANY_TENSOR_UTIL),
    CONSTANT(NVML_GPM_METRIC_DFMA_TENSOR_UTIL),
    CONSTANT(NVML_GPM_METRIC_HMMA_TENSOR_UTIL),
    CONSTANT(NVML_GPM_METRIC_IMMA_TENSOR_UTIL),
    CONSTANT(NVML_GPM_METRIC_DRAM_BW_UTIL),
    CONSTANT(NVML_GPM_METRIC_FP64_UTIL),
    CONSTANT(NVML_GPM_METRIC_FP32_UTIL),
    CONSTANT(NVML_GPM_METRIC_FP16_UTIL),
    CONSTANT(NVML_GPM_METRIC_PCIE_TX_PER_SEC),
    CONSTANT(NVML_GPM_METRIC_PCIE_RX_PER_SEC),
    CONSTANT(NVML_GPM_METRIC_NVDEC_0_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_1_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_2_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_3_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_4_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_5_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_6_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVDEC_7_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_0_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_1_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_2_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_3_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_4_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_5_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_6_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVJPG_7_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVOFA_0_UTIL),
    CONSTANT(NVML_GPM_METRIC_NVOFA_1_UTIL),

    CONSTANT(nvmlEventTypeSingleBitEccError),
    CONSTANT(nvmlEventTypeDoubleBitEccError),
    CONSTANT(nvmlEventTypePState),
    CONSTANT(nvmlEventTypeXidCriticalError),
    CONSTANT(nvmlEventTypeClock),
    CONSTANT(nvmlEventTypePowerSourceChange),
    CONSTANT(nvmlEventMigConfigChange),
    CONSTANT(nvmlEventTypeSingleBitEccErrorStorm),
    CONSTANT(nvmlEventTypeDramRetirementEvent),
    CONSTANT(nvmlEventTypeDramRetirementFailure),
    CONSTANT(nvmlEventTypeNonFatalPoisonError),
    CONSTANT(nvmlEventTypeFatalPoisonError),
    CONSTANT(nvmlEventTypeGpuUnavailableError),
    CONSTANT(nvmlEventTypeGpuRecoveryAction),

    CONSTANT(NVML_VOLATILE_ECC),
    CONSTANT(NVML_AGGREGATE_ECC),
    CONSTANT(NVML_TEMPERATURE_GPU),
    CONSTANT(NVML_FEATURE_DISABLED),
    CONSTANT(NVML_FEATURE_ENABLED),
    CONSTANT(NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED),
    CONSTANT(NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE),
    CONSTANT(NVML_GPM_METRIC_MAX),
    CONSTANT(NVML_GPM_METRICS_GET_VERSION),
    CONSTANT(NVML_GPM_SUPPORT_VERSION),

    SIZE(nvmlReturn_t),
    SIZE(nvmlDevice_t),
    SIZE(nvmlGpuInstance_t),
    SIZE(nvmlComputeInstance_t),
    SIZE(nvmlEventSet_t),
    SIZE(nvmlGpmSample_t),

    SIZE(nvmlPciInfo_t),
    MEMBER(nvmlPciInfo_t, busIdLegacy),
    MEMBER(nvmlPciInfo_t, domain),
    MEMBER(nvmlPciInfo_t, bus),
    MEMBER(nvmlPciInfo_t, device),
    MEMBER(nvmlPciInfo_t, pciDeviceId),
    MEMBER(nvmlPciInfo_t, pciSubSystemId),
    MEMBER(nvmlPciInfo_t, busId),

    SIZE(nvmlGpuInstancePlacement_t),
    MEMBER(nvmlGpuInstancePlacement_t, start),
    MEMBER(nvmlGpuInstancePlacement_t, size),

#define PROFILE_INFO(type)                                                                                             \
    SIZE(type), MEMBER(type, id), MEMBER(type, sliceCount), MEMBER(type, instanceCount),                               \
        MEMBER(type, multiprocessorCount), MEMBER(type, copyEngineCount), MEMBER(type, decoderCount),                  \
        MEMBER(type, encoderCount), MEMBER(type, jpegCount), MEMBER(type, ofaCount), MEMBER(type, memorySizeMB)

    PROFILE_INFO(nvmlGpuInstanceProfileInfo_t),
    MEMBER(nvmlGpuInstanceProfileInfo_t, isP2pSupported),

    PROFILE_INFO(nvmlGpuInstanceProfileInfo_v2_t),
    MEMBER(nvmlGpuInstanceProfileInfo_v2_t, version),
    MEMBER(nvmlGpuInstanceProfileInfo_v2_t, isP2pSupported),
    MEMBER(nvmlGpuInstanceProfileInfo_v2_t, name),
    VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2),

    PROFILE_INFO(nvmlGpuInstanceProfileInfo_v3_t),
    MEMBER(nvmlGpuInstanceProfileInfo_v3_t, version),
    MEMBER(nvmlGpuInstanceProfileInfo_v3_t, name),
    MEMBER(nvmlGpuInstanceProfileInfo_v3_t, capabilities),
    VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3),

    SIZE(nvmlGpuInstanceInfo_t),
    MEMBER(nvmlGpuInstanceInfo_t, device),
    MEMBER(nvmlGpuInstanceInfo_t, id),
    MEMBER(nvmlGpuInstanceInfo_t, profileId),
    MEMBER(nvmlGpuInstanceInfo_t, placement),

    SIZE(nvmlComputeInstancePlacement_t),
    MEMBER(nvmlComputeInstancePlacement_t, start),
    MEMBER(nvmlComputeInstancePlacement_t, size),

#define COMPUTE_PROFILE_INFO(type)                                                                                     \
    SIZE(type), MEMBER(type, id), MEMBER(type, sliceCount), MEMBER(type, instanceCount),                               \
        MEMBER(type, multiprocessorCount), MEMBER(type, sharedCopyEngineCount), MEMBER(type, sharedDecoderCount),      \
        MEMBER(type, sharedEncoderCount), MEMBER(type, sharedJpegCount), MEMBER(type, sharedOfaCount)

    COMPUTE_PROFILE_INFO(nvmlComputeInstanceProfileInfo_t),

    COMPUTE_PROFILE_INFO(nvmlComputeInstanceProfileInfo_v2_t),
    MEMBER(nvmlComputeInstanceProfileInfo_v2_t, version),
    MEMBER(nvmlComputeInstanceProfileInfo_v2_t, name),
    VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2),

    COMPUTE_PROFILE_INFO(nvmlComputeInstanceProfileInfo_v3_t),
    MEMBER(nvmlComputeInstanceProfileInfo_v3_t, version),
    MEMBER(nvmlComputeInstanceProfileInfo_v3_t, name),
    MEMBER(nvmlComputeInstanceProfileInfo_v3_t, capabilities),
    VERSION(nvmlComputeInstanceProfileInfo_v3_t, 3),

    SIZE(nvmlComputeInstanceInfo_t),
    MEMBER(nvmlComputeInstanceInfo_t, device),
    MEMBER(nvmlComputeInstanceInfo_t, gpuInstance),
    MEMBER(nvmlComputeInstanceInfo_t, id),
    MEMBER(nvmlComputeInstanceInfo_t, profileId),
    MEMBER(nvmlComputeInstanceInfo_t, placement),

    SIZE(nvmlMemory_t),
    MEMBER(nvmlMemory_t, total),
    MEMBER(nvmlMemory_t, free),
    MEMBER(nvmlMemory_t, used),

    SIZE(nvmlMemory_v2_t),
    MEMBER(nvmlMemory_v2_t, version),
    MEMBER(nvmlMemory_v2_t, total),
    MEMBER(nvmlMemory_v2_t, reserved),
    MEMBER(nvmlMemory_v2_t, free),
    MEMBER(nvmlMemory_v2_t, used),
    VERSION(nvmlMemory_v2_t, 2),

    SIZE(nvmlBAR1Memory_t),
    MEMBER(nvmlBAR1Memory_t, bar1Total),
    MEMBER(nvmlBAR1Memory_t, bar1Free),
    MEMBER(nvmlBAR1Memory_t, bar1Used),

    SIZE(nvmlProcessInfo_t),
    MEMBER(nvmlProcessInfo_t, pid),
    MEMBER(nvmlProcessInfo_t, usedGpuMemory),
    MEMBER(nvmlProcessInfo_t, gpuInstanceId),
    MEMBER(nvmlProcessInfo_t, computeInstanceId),

    SIZE(nvmlDeviceAttributes_t),
    MEMBER(nvmlDeviceAttributes_t, multiprocessorCount),
    MEMBER(nvmlDeviceAttributes_t, sharedCopyEngineCount),
    MEMBER(nvmlDeviceAttributes_t, sharedDecoderCount),
    MEMBER(nvmlDeviceAttributes_t, sharedEncoderCount),
    MEMBER(nvmlDeviceAttributes_t, sharedJpegCount),
    MEMBER(nvmlDeviceAttributes_t, sharedOfaCount),
    MEMBER(nvmlDeviceAttributes_t, gpuInstanceSliceCount),
    MEMBER(nvmlDeviceAttributes_t, computeInstanceSliceCount),
    MEMBER(nvmlDeviceAttributes_t, memorySizeMB),

    SIZE(nvmlUtilization_t),
    MEMBER(nvmlUtilization_t, gpu),
    MEMBER(nvmlUtilization_t, memory),

    SIZE(nvmlValue_t),
    MEMBER(nvmlValue_t, dVal),
    MEMBER(nvmlValue_t, siVal),
    MEMBER(nvmlValue_t, uiVal),
    MEMBER(nvmlValue_t, ulVal),
    MEMBER(nvmlValue_t, ullVal),
    MEMBER(nvmlValue_t, sllVal),
    MEMBER(nvmlValue_t, usVal),

    SIZE(nvmlFieldValue_t),
    MEMBER(nvmlFieldValue_t, fieldId),
    MEMBER(nvmlFieldValue_t, scopeId),
    MEMBER(nvmlFieldValue_t, timestamp),
    MEMBER(nvmlFieldValue_t, latencyUsec),
    MEMBER(nvmlFieldValue_t, valueType),
    MEMBER(nvmlFieldValue_t, nvmlReturn),
    MEMBER(nvmlFieldValue_t, value),

    SIZE(nvmlGpuFabricInfo_t),
    MEMBER(nvmlGpuFabricInfo_t, clusterUuid),
    MEMBER(nvmlGpuFabricInfo_t, status),
    MEMBER(nvmlGpuFabricInfo_t, cliqueId),
    MEMBER(nvmlGpuFabricInfo_t, state),

    SIZE(nvmlSystemDriverBranchInfo_t),
    MEMBER(nvmlSystemDriverBranchInfo_t, version),
    MEMBER(nvmlSystemDriverBranchInfo_t, branch),
    VERSION(nvmlSystemDriverBranchInfo_t, 1),

    SIZE(nvmlEventData_t),
    MEMBER(nvmlEventData_t, device),
    MEMBER(nvmlEventData_t, eventType),
    MEMBER(nvmlEventData_t, eventData),
    MEMBER(nvmlEventData_t, gpuInstanceId),
    MEMBER(nvmlEventData_t, computeInstanceId),

    SIZE(nvmlGpmMetric_t),
    MEMBER(nvmlGpmMetric_t, metricId),
    MEMBER(nvmlGpmMetric_t, nvmlReturn),
    MEMBER(nvmlGpmMetric_t, value),
    MEMBER(nvmlGpmMetric_t, metricInfo),

    SIZE(nvmlGpmMetricsGet_t),
    MEMBER(nvmlGpmMetricsGet_t, version),
    MEMBER(nvmlGpmMetricsGet_t, numMetrics),
    MEMBER(nvmlGpmMetricsGet_t, sample1),
    MEMBER(nvmlGpmMetricsGet_t, sample2),
    MEMBER(nvmlGpmMetricsGet_t, metrics),

    SIZE(nvmlGpmSupport_t),
    MEMBER(nvmlGpmSupport_t, version),
    MEMBER(nvmlGpmSupport_t, isSupportedDevice),
};

const nvmlStubAbiFact_t *nvmlStubGetAbi(unsigned int *count)
{
    if (count != NULL)
        *count = sizeof(facts) / sizeof(facts[0]);
    return facts;
}
