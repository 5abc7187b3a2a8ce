namespace Nvml.Mig.Leasing.Mps;

/// <summary>The memory that a fraction is promised.</summary>
/// <param name="MemoryMiB">What each of its processes can allocate.</param>
/// <param name="Processes">How many processes it may have: MPS limits each of them, not all together.</param>
internal readonly record struct MpsShare(int MemoryMiB, int Processes = 1)
{
    /// <summary>What it takes of the device: with the contexts of its processes.</summary>
    public long CostMiB => (long)Processes * LimitMiB;

    /// <summary>The limit of one process, in which MPS counts its context.</summary>
    public int LimitMiB => MemoryMiB + MpsBudget.ContextMiB;
}

/// <summary>
/// The memory of a device that fractions can be promised. MPS reserves nothing: two clients with limits of 100 GiB on 139 GiB get what is
/// left. So the sum of the promises must fit.
/// </summary>
/// <param name="DeviceMiB">The memory of the GPU or of the MIG device.</param>
internal readonly record struct MpsBudget(long DeviceMiB)
{
    /// <summary>
    /// The context of a client process, measured on H200 and H100 with driver 580.159.04: 514 MiB where the process sees all 132
    /// multiprocessors; with a lower thread percentage less (271 MiB with 66, 123 MiB with 26). The highest one is counted.
    /// </summary>
    public const int ContextMiB = 514;

    /// <summary>The server's own memory, measured on H200 and H100 with driver 580.159.04.</summary>
    public const int ServerMiB = 66;

    /// <summary>What there is for fractions, contexts included.</summary>
    public long UsableMiB => Math.Max(0, DeviceMiB - ServerMiB);

    /// <summary>What is left beside the shares; below 0 they do not fit.</summary>
    public long LeftMiB(IEnumerable<MpsShare> shares) => UsableMiB - shares.Sum(share => share.CostMiB);

    public bool Fits(IEnumerable<MpsShare> shares) => LeftMiB(shares) >= 0;

    /// <summary>The most that one process more can be promised beside the shares; 0: nothing.</summary>
    public long LargestMiB(IEnumerable<MpsShare> shares) => Math.Max(0, LeftMiB(shares) - ContextMiB);
}
