namespace Nvml.Mig;

/// <summary>A kind of GPU instance that a GPU offers: its size, its engines, and how many there can be.</summary>
public sealed record GpuInstanceProfile
{
    internal const int UnknownNumber = -1;

    /// <summary>
    /// NVML's number for this kind of profile (NVML_GPU_INSTANCE_PROFILE_...), the same on every GPU: 0 for one slice, 7 for one
    /// slice with media engines. Not the id. -1 if the driver knows the profile by its id only.
    /// </summary>
    public required int Number { get; init; }

    /// <summary>The id that nvidia-smi shows and takes, such as 19. It means another size on another model.</summary>
    public required int Id { get; init; }

    /// <summary>The name without "MIG", such as <c>3g.20gb</c> or <c>1g.5gb+me</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Compute slices, the "3" of 3g.20gb.</summary>
    public required int SliceCount { get; init; }

    /// <summary>How many instances of this profile the GPU can hold at most, if nothing else is on it.</summary>
    public required int MaxInstances { get; init; }

    /// <summary>Streaming multiprocessors of one instance.</summary>
    public required int MultiprocessorCount { get; init; }

    /// <summary>Memory of one instance, in MiB.</summary>
    public required long MemoryMiB { get; init; }

    /// <summary>Copy engines of one instance.</summary>
    public required int CopyEngineCount { get; init; }

    /// <summary>Video decoders of one instance.</summary>
    public required int DecoderCount { get; init; }

    /// <summary>Video encoders of one instance.</summary>
    public required int EncoderCount { get; init; }

    /// <summary>JPEG engines of one instance.</summary>
    public required int JpegCount { get; init; }

    /// <summary>Optical flow engines of one instance.</summary>
    public required int OfaCount { get; init; }

    /// <summary>Whether instances can reach other GPUs directly (peer to peer).</summary>
    public required bool SupportsP2P { get; init; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
