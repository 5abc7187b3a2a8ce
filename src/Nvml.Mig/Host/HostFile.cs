namespace Nvml.Mig.Host;

/// <summary>A file of the host, or a device node.</summary>
/// <param name="Path">The path on the host, such as <c>/dev/nvidia0</c>, whatever <see cref="HostRoot"/> it was looked for under.</param>
/// <param name="Exists">Whether it was there.</param>
public readonly record struct HostFile(string Path, bool Exists)
{
    /// <summary>The path, and whether the file is missing.</summary>
    public override string ToString() => Exists ? Path : $"{Path} (missing)";
}
