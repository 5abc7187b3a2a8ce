namespace Nvml.Mig.Configuration;

/// <summary>What a layout of a file means for the GPUs of a machine.</summary>
public sealed record ResolvedLayout
{
    /// <summary>What each GPU shall have that the layout is for and that can be divided, in the order of the machine's GPUs.</summary>
    public required IReadOnlyList<ResolvedGpu> Gpus { get; init; }

    /// <summary>GPUs that the layout is not for: they stay as they are.</summary>
    public required IReadOnlyList<GpuIdentity> LeftOut { get; init; }

    /// <summary>GPUs that the layout is for, not by their own name, and that cannot be divided: there is nothing to do on them.</summary>
    public required IReadOnlyList<GpuIdentity> NotMigCapable { get; init; }

    /// <summary>Entries for kinds of GPU that this machine does not have.</summary>
    public required IReadOnlyList<LayoutEntry> Unused { get; init; }
}
