namespace Nvml.Mig;

/// <summary>
/// A kind of compute instance that a GPU instance offers. Compute instances have their multiprocessors to themselves and share
/// the memory and the other engines of their GPU instance.
/// </summary>
public sealed record ComputeInstanceProfile
{
    /// <summary>
    /// NVML's number for this kind of profile (NVML_COMPUTE_INSTANCE_PROFILE_...): 0 for one slice, 7 for one slice with more
    /// multiprocessors.
    /// </summary>
    public required int Number { get; init; }

    /// <summary>The id that nvidia-smi shows and takes.</summary>
    public required int Id { get; init; }

    /// <summary>
    /// The name without "MIG": that of the GPU instance (<c>3g.20gb</c>) if it takes the whole, else with the slices it takes
    /// (<c>1c.3g.20gb</c>). Two profiles of a GPU instance can have the same name; their ids differ.
    /// </summary>
    public required string Name { get; init; }

    /// <summary>Compute slices, the "1" of 1c.3g.20gb.</summary>
    public required int SliceCount { get; init; }

    /// <summary>How many instances of this profile the GPU instance can hold at most, if nothing else is in it.</summary>
    public required int MaxInstances { get; init; }

    /// <summary>Streaming multiprocessors of one instance, for itself alone.</summary>
    public required int MultiprocessorCount { get; init; }

    /// <summary>Copy engines, shared with the rest of the GPU instance.</summary>
    public required int SharedCopyEngineCount { get; init; }

    /// <summary>Video decoders, shared with the rest of the GPU instance.</summary>
    public required int SharedDecoderCount { get; init; }

    /// <summary>Video encoders, shared with the rest of the GPU instance.</summary>
    public required int SharedEncoderCount { get; init; }

    /// <summary>JPEG engines, shared with the rest of the GPU instance.</summary>
    public required int SharedJpegCount { get; init; }

    /// <summary>Optical flow engines, shared with the rest of the GPU instance.</summary>
    public required int SharedOfaCount { get; init; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
