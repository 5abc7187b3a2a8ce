namespace Nvml.Mig.Leasing.Mps;

/// <summary>
/// The memory of a device that fractions can be promised. MPS reserves nothing: two clients with limits of 100 GiB on 139 GiB get what is
/// left. So the sum of the promises must fit.
/// </summary>
internal static class MpsBudget
{
    /// <summary>
    /// The context of a client process, measured on H200 and H100 with driver 580.159.04: 514 MiB where the process sees all 132
    /// multiprocessors; with a lower thread percentage less (271 MiB with 66, 123 MiB with 26). The highest one is counted.
    /// </summary>
    public const int ContextMiB = 514;

    /// <summary>The server's own memory, measured on H200 and H100 with driver 580.159.04.</summary>
    private const int ServerMiB = 66;

    /// <summary>The memory for fractions, contexts included, of a GPU or a MIG device.</summary>
    public static long UsableMiB(long deviceMiB) => Math.Max(0, deviceMiB - ServerMiB);
}
