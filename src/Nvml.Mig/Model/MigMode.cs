namespace Nvml.Mig;

/// <summary>A GPU's MIG mode, now and to come.</summary>
/// <param name="Current">Whether MIG is enabled now.</param>
/// <param name="Pending">
/// Whether MIG will be enabled after the next GPU reset or reboot. It differs from <paramref name="Current"/> only while a change
/// waits for that.
/// </param>
public readonly record struct MigMode(bool Current, bool Pending)
{
    /// <summary>Whether a change waits for a GPU reset.</summary>
    public bool IsChangePending => Current != Pending;

    /// <summary><c>Enabled</c>, <c>Disabled</c>, or e.g. <c>Disabled, Enabled pending</c>.</summary>
    public override string ToString() => IsChangePending ? $"{Name(Current)}, {Name(Pending)} pending" : Name(Current);

    private static string Name(bool enabled) => enabled ? "Enabled" : "Disabled";
}
