using System.Globalization;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>
/// Caps in the words of MPS: of a client, by its environment, or of a server, where no environment can lift them. The lower one holds.
/// </summary>
/// <param name="ThreadPercentage">The share of the multiprocessors, over 0 and at most 100, with one decimal.</param>
/// <param name="MemoryMiB">The memory of one process, its context included.</param>
internal readonly record struct MpsCaps(decimal ThreadPercentage, int MemoryMiB)
{
    /// <summary>
    /// The index of the device among those that a daemon sees. Each of ours sees one. A limit by UUID would hold too, but reads as none
    /// by the index: measured.
    /// </summary>
    public const string Device = "0";

    /// <summary>As the commands print it: 30 reads <c>30.0</c>.</summary>
    public string PercentageText => ThreadPercentage.ToString("0.0", CultureInfo.InvariantCulture);

    /// <summary>As it is set: always in MiB, which is exact.</summary>
    public string MemoryText => string.Create(CultureInfo.InvariantCulture, $"{MemoryMiB}M");

    /// <summary>As the commands print it: whole GiB, rounded down, from 1 GiB on. 2500M reads <c>2G</c>: measured.</summary>
    public string MemoryReadBack =>
        MemoryMiB < 1024 ? MemoryText : string.Create(CultureInfo.InvariantCulture, $"{MemoryMiB / 1024}G");

    /// <summary>For each the higher one.</summary>
    public static MpsCaps Highest(IEnumerable<MpsCaps> caps) => caps.Aggregate(
        (a, b) => new MpsCaps(Math.Max(a.ThreadPercentage, b.ThreadPercentage), Math.Max(a.MemoryMiB, b.MemoryMiB)));

    /// <summary>Refuses what MPS would ignore without a word, or take as no limit.</summary>
    /// <exception cref="MpsException">They make no sense.</exception>
    public void Check()
    {
        if (ThreadPercentage is < 0.1m or > 100 || decimal.Round(ThreadPercentage, 1) != ThreadPercentage)
        {
            throw new MpsException(MpsProblem.Invalid, string.Create(
                CultureInfo.InvariantCulture, $"MPS takes a thread percentage from 0.1 to 100 with one decimal, not {ThreadPercentage}."));
        }

        if (MemoryMiB <= MpsBudget.ContextMiB)
        {
            throw new MpsException(MpsProblem.Invalid, string.Create(
                CultureInfo.InvariantCulture,
                $"A limit of {MemoryMiB} MiB leaves a program nothing: its context alone can take {MpsBudget.ContextMiB} MiB of it."));
        }
    }

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{PercentageText}% of the multiprocessors and {MemoryMiB} MiB");
}
