using System.Globalization;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Native;

/// <summary>Profile names as NVML gives them, and as drivers that give none would.</summary>
internal static class ProfileNames
{
    public static string WithoutMig(string name) => name.StartsWith("MIG ", StringComparison.Ordinal) ? name[4..] : name;

    /// <summary>
    /// The name of a GPU instance profile where the driver knows only numbers (the R470 branch: A100 and A30). Memory is rounded up
    /// to whole GiB, as in 4.75 GiB -> 5gb, 9.75 -> 10gb, 39.38 -> 40gb.
    /// </summary>
    public static string Compose(uint number, uint sliceCount, ulong memoryMiB)
    {
        string attributes = number == LibNvml.NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 ? "+me" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{sliceCount}g.{(memoryMiB + 1023) / 1024}gb{attributes}");
    }

    /// <summary>The name of a compute instance profile, from that of its GPU instance: 3g.20gb, or 1c.3g.20gb for a part.</summary>
    public static string ComposeCompute(GpuInstanceProfile gpuInstance, uint sliceCount)
    {
        string whole = gpuInstance.Name.Split('+')[0];
        return sliceCount == gpuInstance.SliceCount ? whole : string.Create(CultureInfo.InvariantCulture, $"{sliceCount}c.{whole}");
    }
}
