using System.Globalization;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Leasing;

/// <summary>How a fraction can use computing power that others leave unused.</summary>
public enum FractionMode
{
    /// <summary>
    /// The limit is all of the device, unless it is stated: who computes alone has all, and those who compute together share.
    /// </summary>
    Fair,

    /// <summary>The limit is what was asked for: never more, so that the others always have theirs.</summary>
    Strict,

    /// <summary>No part of the computing power is counted: all may use all.</summary>
    Equal,
}

/// <summary>What holds fractions to their parts.</summary>
public enum SharingBackend
{
    /// <summary>NVIDIA's Multi-Process Service: caps of multiprocessors and of memory for each process.</summary>
    Mps,

    /// <summary>Compute instances in one GPU instance: the multiprocessors are divided, the memory is shared without a cap.</summary>
    ComputeInstances,
}

/// <summary>
/// A part of a device, a MIG device or a whole GPU, that others of the same user have other parts of. Either compute slices of a GPU
/// instance (<see cref="SharingBackend.ComputeInstances"/>), or memory and computing power (<see cref="SharingBackend.Mps"/>). The claim's
/// one request says of which device.
/// </summary>
public sealed record Fraction
{
    /// <summary>More than any GPU has, and little enough to be added up.</summary>
    private const int MostSlices = 64;

    /// <inheritdoc cref="MostSlices"/>
    private const long MostMiB = 1 << 30;

    /// <summary>The part of memory and computing power, over 0 and below 1, where they are not stated by themselves.</summary>
    public decimal? Share { get; init; }

    /// <summary>What may be done with what others leave unused.</summary>
    public FractionMode Mode { get; init; }

    /// <summary>The memory that is kept for it, in MiB, without the CUDA context; null: by <see cref="Share"/>.</summary>
    public long? MemoryRequestMiB { get; init; }

    /// <summary>The most that each of its processes can allocate, in MiB; null: what was asked for.</summary>
    public long? MemoryLimitMiB { get; init; }

    /// <summary>The part of the computing power that is kept for it, in per cent; null: by <see cref="Share"/>.</summary>
    public decimal? ComputeRequest { get; init; }

    /// <summary>The largest part of the multiprocessors that it can use, in per cent; null: by <see cref="Mode"/>.</summary>
    public decimal? ComputeLimit { get; init; }

    /// <summary>
    /// Compute slices of its own, the "1" of <c>1c.3g.20gb</c>. All else is shared then, and nothing else can be asked for.
    /// </summary>
    public int? ComputeSlices { get; init; }

    internal SharingBackend Backend => ComputeSlices is null ? SharingBackend.Mps : SharingBackend.ComputeInstances;

    /// <summary><c>0.25, strict</c>, or <c>1 compute slice</c></summary>
    public override string ToString()
    {
        if (ComputeSlices is { } slices)
            return string.Create(CultureInfo.InvariantCulture, $"{slices} compute slice{(slices == 1 ? "" : "s")}");
        string?[] parts =
        [
            Share is { } share ? Text($"{share}") : null,
            MemoryRequestMiB is { } memory ? Text($"{memory} MiB") : null,
            MemoryLimitMiB is { } most ? Text($"at most {most} MiB") : null,
            ComputeRequest is { } compute ? Text($"{compute}%") : null,
            ComputeLimit is { } limit ? Text($"at most {limit}%") : null,
            Mode switch { FractionMode.Strict => "strict", FractionMode.Equal => "equal", _ => null },
        ];
        return string.Join(", ", parts.OfType<string>());

        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>Refuses what makes no sense, and what nothing can enforce.</summary>
    /// <exception cref="LeaseException">It cannot be had; the message says why.</exception>
    internal void Check()
    {
        if (ComputeSlices is { } slices)
        {
            if (slices is < 1 or > MostSlices)
                throw Invalid("A fraction has at least one compute slice, and no more than a GPU has.");
            if (this != new Fraction { ComputeSlices = slices })
            {
                throw Invalid(
                    "Compute instances divide the multiprocessors only: they cannot hold memory or per cents. Ask for a part by MPS "
                        + "instead.");
            }

            return;
        }

        if (Share is not (null or (> 0 and < 1)))
            throw Invalid("A fraction is over 0 and below 1.");
        if (Share is null && MemoryRequestMiB is null)
            throw Invalid("A fraction says how much memory it needs: by a part, or in MiB.");
        if (MemoryRequestMiB > MostMiB || MemoryLimitMiB > MostMiB)
            throw Invalid("No GPU has so much memory.");
        if (MemoryRequestMiB is <= 0 || MemoryLimitMiB < (MemoryRequestMiB ?? 1))
            throw Invalid("A limit of memory is at least what is asked for, and that is more than nothing.");
        if (ComputeRequest is < 0 or > 100 || ComputeLimit is < 1 or > 100 || ComputeLimit < (ComputeRequest ?? Share * 100))
            throw Invalid("Computing power is asked for in per cent, at most 100, and the limit is at least what is asked for.");
        if (Mode == FractionMode.Strict && ComputeLimit is { } limit && limit != (ComputeRequest ?? Share * 100))
            throw Invalid("In strict mode the limit of computing power is what is asked for.");
        if (Mode == FractionMode.Equal && (ComputeRequest is not null || ComputeLimit is not null))
            throw Invalid("In equal mode no part of the computing power is asked for: all may use all.");
        if (Mode == FractionMode.Strict && Share is null && ComputeRequest is null)
            throw Invalid("In strict mode a fraction says how much computing power it needs: by a part, or in per cent.");

        static LeaseException Invalid(string text) => new(LeaseError.Invalid, text);
    }
}

/// <summary>A device that fractions are of, as a lease of its own: it counts for the queue, and ends with its last fraction.</summary>
/// <param name="Backend">What holds fractions to their parts.</param>
/// <param name="Mode">The mode of all its fractions: what some leave to others, strict ones would not have.</param>
/// <param name="MemoryMiB">The memory that can be promised, contexts included.</param>
/// <param name="ComputeSlices">The compute slices that there are.</param>
public sealed record SharedDevice(SharingBackend Backend, FractionMode Mode, long MemoryMiB, int ComputeSlices);

/// <summary>A fraction as it was granted.</summary>
/// <param name="Device">The lease of the device that it is of.</param>
/// <param name="Backend">What holds it to its part.</param>
public sealed record GrantedFraction(string Device, SharingBackend Backend)
{
    /// <summary>The profile of a GPU with MIG disabled, where such GPUs are leased (<see cref="SchedulerOptions.WholeGpus"/>).</summary>
    public const string WholeGpu = Leases.WholeGpu.ProfileName;

    /// <summary>The memory that is kept for it, in MiB, with the CUDA context of one process; 0 where memory is shared.</summary>
    public long MemoryRequestMiB { get; init; }

    /// <summary>The most that each of its processes can have, in MiB, with its CUDA context; null: there is no limit.</summary>
    public long? MemoryLimitMiB { get; init; }

    /// <summary>The part of the computing power that is kept for it, in per cent of the device.</summary>
    public decimal ComputeRequest { get; init; }

    /// <summary>The largest part of the multiprocessors that it can use, in per cent of the device.</summary>
    public decimal ComputeLimit { get; init; }

    /// <summary>Compute slices of its own; 0 where multiprocessors are shared.</summary>
    public int ComputeSlices { get; init; }

    /// <summary>The variables for its program. Without them it would have no limits, so they are not to be changed.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);
}
