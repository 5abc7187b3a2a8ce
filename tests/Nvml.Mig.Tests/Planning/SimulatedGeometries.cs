using System.Collections.Concurrent;
using Nvml.Mig.Tests.Simulator;

namespace Nvml.Mig.Tests.Planning;

/// <summary>The geometries of the simulated GPUs, what goes inside GPU instances included. Equal ones are here once.</summary>
internal static class SimulatedGeometries
{
    private static readonly ConcurrentDictionary<string, GpuGeometry> Known = new();

    /// <summary>One model of each kind. Names of profiles do not count: A100 and H100 divide alike, with other names.</summary>
    public static IReadOnlyList<string> Models { get; } = [
        .. TestedModels.All.Select(m => m.Name).DistinctBy(model => Fingerprint(Of(model)))];

    public static GpuGeometry Of(string model) => Known.GetOrAdd(model, Read);

    private static GpuGeometry Read(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        GpuGeometry bare = machine.Gpu.ReadGeometry();
        // NVML shows what goes inside an instance only when there is one: one of each is created.
        return new GpuGeometry(bare.Profiles.Select(profile =>
        {
            GpuInstance instance = machine.Gpu.CreateGpuInstance(profile.Profile);
            ProfileGeometry full = machine.Gpu.ReadGeometry().Profiles.Single(p => p.Profile == profile.Profile);
            instance.Destroy();
            return full;
        }));
    }

    private static string Fingerprint(GpuGeometry geometry) => string.Join(';', geometry.Profiles.Select(p =>
        $"{p.Profile with { Name = "", MemoryMiB = 0, MultiprocessorCount = 0 }} {string.Join(',', p.Placements)} "
            + string.Join(',', p.ComputeProfiles!.Select(c => $"{c.Profile.Id} {c.Profile.MaxInstances} {string.Join(',', c.Placements)}"))));
}
