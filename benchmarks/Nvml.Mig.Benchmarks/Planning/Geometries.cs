using Nvml.Mig.Simulator;

namespace Nvml.Mig.Benchmarks.Planning;

/// <summary>The GPUs that the planner is measured on.</summary>
internal static class Geometries
{
    /// <summary>A GPU of the simulator, with all that goes inside its GPU instances.</summary>
    public static GpuGeometry Simulated(string model)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start(model);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        GpuDevice gpu = session.Devices[0];
        gpu.EnableMig();
        return new GpuGeometry(gpu.ReadGeometry().Profiles.Select(profile =>
        {
            GpuInstance instance = gpu.CreateGpuInstance(profile.Profile);
            ProfileGeometry full = gpu.ReadGeometry().Profiles.Single(p => p.Profile == profile.Profile);
            instance.Destroy();
            return full;
        }));
    }

    /// <summary>A GPU with 32 units and 12 profiles, larger than any there is: six sizes, each in two kinds.</summary>
    public static GpuGeometry Large()
    {
        List<ProfileGeometry> profiles = [];
        for (int size = 1; size <= 32; size *= 2)
        {
            for (int kind = 0; kind < 2; kind++)
            {
                GpuInstanceProfile profile = new()
                {
                    Number = profiles.Count,
                    Id = profiles.Count,
                    Name = $"{size}g.{size * 4}gb{(kind == 0 ? "" : "+me")}",
                    SliceCount = size,
                    MaxInstances = 32 / size,
                    MultiprocessorCount = size * 4,
                    MemoryMiB = size * 4096,
                    CopyEngineCount = size,
                    DecoderCount = 0,
                    EncoderCount = 0,
                    JpegCount = 0,
                    OfaCount = 0,
                    SupportsP2P = false,
                };
                profiles.Add(new ProfileGeometry(profile, [.. Enumerable.Range(0, 32 / size).Select(i => new Placement(i * size, size))]));
            }
        }

        return new GpuGeometry(profiles);
    }
}
