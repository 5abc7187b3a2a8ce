namespace Nvml.Mig.Configuration;

/// <summary>A layout of a file, resolved for the GPUs of a machine.</summary>
public sealed record ResolvedLayout
{
    /// <summary>The GPUs with an entry that can be divided, in the order of the machine's GPUs, each with its layout.</summary>
    public required IReadOnlyList<ResolvedGpu> Gpus { get; init; }

    /// <summary>The GPUs without an entry: they stay as they are. mig-parted's <c>assert</c> fails while there is one.</summary>
    public required IReadOnlyList<GpuIdentity> LeftOut { get; init; }

    /// <summary>
    /// The GPUs with an entry, not by their own name, that cannot be divided: there is nothing to do on them. mig-parted's <c>assert</c>
    /// fails for one whose entry enables MIG.
    /// </summary>
    public required IReadOnlyList<ResolvedGpu> NotMigCapable { get; init; }

    /// <summary>
    /// The GPUs that do not answer (<see cref="GpuIdentity.IsReadable"/>), where an entry chooses by what is not known of them then: its
    /// layout may be for them.
    /// </summary>
    public IReadOnlyList<GpuIdentity> Undecided { get; init; } = [];

    /// <summary>Entries for kinds of GPU that this machine does not have.</summary>
    public required IReadOnlyList<LayoutEntry> Unused { get; init; }
}
