using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing.Tests.Scheduling;

/// <summary>Kinds of GPUs for tests that need no driver: profiles and places as NVML lists them.</summary>
internal static class Boards
{
    /// <summary>An A100 with 40 GB: 7 compute and 8 memory slices.</summary>
    public static GpuGeometry A100 { get; } = new(
    [
        Profile("1g.5gb", 19, 1, 7, 4864, 0, [0, 1, 2, 3, 4, 5, 6], 1),
        Profile("1g.5gb+me", 20, 1, 1, 4864, 1, [0, 1, 2, 3, 4, 5, 6], 1),
        Profile("2g.10gb", 14, 2, 3, 9856, 1, [0, 2, 4], 2),
        Profile("3g.20gb", 9, 3, 2, 19968, 2, [0, 4], 4),
        Profile("4g.20gb", 5, 4, 1, 19968, 2, [0], 4),
        Profile("7g.40gb", 0, 7, 1, 40192, 5, [0], 8),
    ]);

    /// <summary>An A30: 4 compute and 4 memory slices.</summary>
    public static GpuGeometry A30 { get; } = new(
    [
        Profile("1g.6gb", 14, 1, 4, 5952, 0, [0, 1, 2, 3], 1),
        Profile("2g.12gb", 5, 2, 2, 12032, 2, [0, 2], 2),
        Profile("4g.24gb", 0, 4, 1, 24192, 4, [0], 4),
    ]);

    public static IReadOnlyList<LeasableGpu> Pool(int a100, int a30 = 0) =>
    [
        .. Enumerable.Range(0, a100).Select(i => new LeasableGpu($"A100-{i}", A100, "A100")),
        .. Enumerable.Range(0, a30).Select(i => new LeasableGpu($"A30-{i}", A30, "A30")),
    ];

    private static ProfileGeometry Profile(
        string name, int id, int slices, int most, long memory, int decoders, int[] starts, int size) =>
        new(
            new GpuInstanceProfile
            {
                Number = id,
                Id = id,
                Name = name,
                SliceCount = slices,
                MaxInstances = most,
                MultiprocessorCount = 14 * slices,
                MemoryMiB = memory,
                CopyEngineCount = slices,
                DecoderCount = decoders,
                EncoderCount = 0,
                JpegCount = name.EndsWith("+me", StringComparison.Ordinal) || slices == 7 ? 1 : 0,
                OfaCount = name.EndsWith("+me", StringComparison.Ordinal) || slices == 7 ? 1 : 0,
                SupportsP2P = false,
            },
            [.. starts.Select(start => new Placement(start, size))]);
}
