/* What the compiler made of nvml_abi.h: one fact for every struct, member and constant that the bindings declare too. */
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

    SIZE(nvmlReturn_t),
    SIZE(nvmlDevice_t),
    SIZE(nvmlGpuInstance_t),
    SIZE(nvmlComputeInstance_t),

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
};

const nvmlStubAbiFact_t *nvmlStubGetAbi(unsigned int *count)
{
    if (count != NULL)
        *count = sizeof(facts) / sizeof(facts[0]);
    return facts;
}
