using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>GPUs as layout files see them, without any NVML.</summary>
internal static class Machines
{
    private const uint Board = 0x18BF10DE;

    public static IReadOnlyList<GpuIdentity> A100s(int count) => [.. Enumerable.Range(0, count).Select(A100)];

    public static GpuIdentity A100(int index) => Make(index, 0x20B010DE, "NVIDIA A100-SXM4-40GB");

    public static GpuIdentity H200(int index) => Make(index, 0x233510DE, "NVIDIA H200");

    public static GpuIdentity T4(int index) => Make(index, 0x1EB810DE, "Tesla T4") with { IsMigCapable = false };

    private static GpuIdentity Make(int index, uint device, string name)
    {
        string uuid = $"GPU-00000000-0000-0000-0000-00000000000{index}";
        return new GpuIdentity(index, uuid, $"00000000:{7 + index:X2}:00.0", device, Board, name, IsMigCapable: true);
    }

    /// <summary>The layout of each GPU as text: <c>0: 1g.5gb*7</c>, <c>1: off</c>.</summary>
    public static string[] Describe(ResolvedLayout resolved) =>
        [.. resolved.Gpus.Select(gpu => $"{gpu.Gpu.Index}: {gpu.Layout?.ToString() ?? "off"}")];

    public static string[] Resolve(string yaml, params IReadOnlyList<GpuIdentity> gpus) =>
        Describe(LayoutFile.Parse(yaml, "config.yaml").GetLayout().Resolve(gpus));
}
