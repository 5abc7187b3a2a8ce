namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// A GPU with MIG disabled, as a place for one instance that takes all of it: then the scheduler needs to know nothing of it.
/// </summary>
internal static class WholeGpu
{
    /// <summary>No profile of NVML has it.</summary>
    public const int ProfileId = -1;

    public const string ProfileName = "gpu";

    /// <summary>It counts as what the largest profile of a GPU has, for queues with both.</summary>
    private const int ComputeSlices = 7;

    private static readonly Placement All = new(0, 8);

    public static bool Is(InstancePlace place) => place.ProfileId == ProfileId;

    public static InstancePlace PlaceOn(string gpu) => new(gpu, ProfileId, All);

    /// <summary>How it can be divided: not at all.</summary>
    /// <exception cref="NvmlException">It does not answer.</exception>
    public static GpuGeometry Describe(GpuDevice device)
    {
        GpuMemory memory = device.GetMemory();
        GpuInstanceProfile profile = new()
        {
            Number = -1,
            Id = ProfileId,
            Name = ProfileName,
            SliceCount = ComputeSlices,
            MaxInstances = 1,
            MultiprocessorCount = 0,
            MemoryMiB = (memory.TotalBytes - (memory.ReservedBytes ?? 0)) >> 20,
            CopyEngineCount = 0,
            DecoderCount = 0,
            EncoderCount = 0,
            JpegCount = 0,
            OfaCount = 0,
            SupportsP2P = true,
        };
        return new GpuGeometry([new ProfileGeometry(profile, [All])]);
    }
}
