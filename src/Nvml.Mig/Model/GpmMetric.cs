namespace Nvml.Mig;

/// <summary>
/// Performance metrics (NVML_GPM_METRIC_...) and their units: those of the engines. Drivers have more, of NVLink from number 60 on, of
/// NVLink-C2C from 100 on: they can be asked for by number, by casting, and come with their names and units.
/// </summary>
public enum GpmMetric
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Time in which any engine for compute or graphics was busy, in per cent (gract).</summary>
    GraphicsUtilization = 1,

    /// <summary>Time in which a multiprocessor was busy, averaged over all, in per cent (smutil).</summary>
    SmUtilization = 2,

    /// <summary>Warps that were resident, of those that could be, in per cent.</summary>
    SmOccupancy = 3,

    /// <summary>Use of the integer pipes, in per cent.</summary>
    IntegerUtilization = 4,

    /// <summary>Use of the tensor cores, in per cent.</summary>
    AnyTensorUtilization = 5,

    /// <summary>Use of the tensor cores for double precision, in per cent.</summary>
    DfmaTensorUtilization = 6,

    /// <summary>Use of the tensor cores for half precision, in per cent.</summary>
    HmmaTensorUtilization = 7,

    /// <summary>Use of the tensor cores for integers, in per cent.</summary>
    ImmaTensorUtilization = 9,

    /// <summary>Use of the memory bandwidth, in per cent (dram).</summary>
    DramBandwidthUtilization = 10,

    /// <summary>Use of the double precision pipes, in per cent.</summary>
    Fp64Utilization = 11,

    /// <summary>Use of the single precision pipes, in per cent.</summary>
    Fp32Utilization = 12,

    /// <summary>Use of the half precision pipes, in per cent.</summary>
    Fp16Utilization = 13,

    /// <summary>Sent over PCIe, in MiB/s.</summary>
    PcieTransmitted = 20,

    /// <summary>Received over PCIe, in MiB/s.</summary>
    PcieReceived = 21,

    /// <summary>Use of video decoder 0, in per cent.</summary>
    Nvdec0Utilization = 30,

    /// <summary>Use of video decoder 1, in per cent.</summary>
    Nvdec1Utilization = 31,

    /// <summary>Use of video decoder 2, in per cent.</summary>
    Nvdec2Utilization = 32,

    /// <summary>Use of video decoder 3, in per cent.</summary>
    Nvdec3Utilization = 33,

    /// <summary>Use of video decoder 4, in per cent.</summary>
    Nvdec4Utilization = 34,

    /// <summary>Use of video decoder 5, in per cent.</summary>
    Nvdec5Utilization = 35,

    /// <summary>Use of video decoder 6, in per cent.</summary>
    Nvdec6Utilization = 36,

    /// <summary>Use of video decoder 7, in per cent.</summary>
    Nvdec7Utilization = 37,

    /// <summary>Use of JPEG engine 0, in per cent.</summary>
    Nvjpg0Utilization = 40,

    /// <summary>Use of JPEG engine 1, in per cent.</summary>
    Nvjpg1Utilization = 41,

    /// <summary>Use of JPEG engine 2, in per cent.</summary>
    Nvjpg2Utilization = 42,

    /// <summary>Use of JPEG engine 3, in per cent.</summary>
    Nvjpg3Utilization = 43,

    /// <summary>Use of JPEG engine 4, in per cent.</summary>
    Nvjpg4Utilization = 44,

    /// <summary>Use of JPEG engine 5, in per cent.</summary>
    Nvjpg5Utilization = 45,

    /// <summary>Use of JPEG engine 6, in per cent.</summary>
    Nvjpg6Utilization = 46,

    /// <summary>Use of JPEG engine 7, in per cent.</summary>
    Nvjpg7Utilization = 47,

    /// <summary>Use of optical flow engine 0, in per cent.</summary>
    Nvofa0Utilization = 50,

    /// <summary>Use of optical flow engine 1, in per cent.</summary>
    Nvofa1Utilization = 51,
}
