namespace Nvml.Mig;

/// <summary>The resources of a MIG device. Engines other than multiprocessors it shares with the rest of its GPU instance.</summary>
/// <param name="MultiprocessorCount">Streaming multiprocessors, for itself alone.</param>
/// <param name="SharedCopyEngineCount">Copy engines.</param>
/// <param name="SharedDecoderCount">Video decoders.</param>
/// <param name="SharedEncoderCount">Video encoders.</param>
/// <param name="SharedJpegCount">JPEG engines.</param>
/// <param name="SharedOfaCount">Optical flow engines.</param>
/// <param name="GpuInstanceSliceCount">Compute slices of the GPU instance, the "3" of 1c.3g.20gb.</param>
/// <param name="ComputeInstanceSliceCount">Compute slices of the compute instance, the "1" of 1c.3g.20gb.</param>
/// <param name="MemoryMiB">Memory of the GPU instance, in MiB.</param>
public readonly record struct MigDeviceAttributes(
    int MultiprocessorCount,
    int SharedCopyEngineCount,
    int SharedDecoderCount,
    int SharedEncoderCount,
    int SharedJpegCount,
    int SharedOfaCount,
    int GpuInstanceSliceCount,
    int ComputeInstanceSliceCount,
    long MemoryMiB);
