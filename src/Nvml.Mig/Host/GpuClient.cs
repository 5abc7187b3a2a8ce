using System.Globalization;

namespace Nvml.Mig.Host;

/// <summary>A process that has device files of the NVIDIA driver open, whether NVML shows it or not.</summary>
public sealed record GpuClient
{
    /// <summary>The process id.</summary>
    public required int ProcessId { get; init; }

    /// <summary>The name that the kernel has for the process: 15 characters at most.</summary>
    public required string Name { get; init; }

    /// <summary>The first word of its command line, often the program's path; null if it has none.</summary>
    public required string? Command { get; init; }

    /// <summary>
    /// The device files that it has open or mapped, such as <c>/dev/nvidia0</c> and <c>/dev/nvidia-caps/nvidia-cap12</c>, each once.
    /// </summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>
    /// Its name as a service, if it is one of those that are known to keep GPUs open: <c>nvsm</c>, <c>dcgm</c>, <c>dcgm-exporter</c>,
    /// <c>nvidia-persistenced</c>, <c>nvidia-fabricmanager</c>, <c>nvidia-device-plugin</c>, <c>gpu-feature-discovery</c>,
    /// <c>nvidia-smi</c> (which loops, or runs as a daemon), <c>cuda-mps</c>, <c>xorg</c>, <c>xwayland</c>, <c>gnome-shell</c>; else null.
    /// </summary>
    public required string? Service { get; init; }

    /// <summary>
    /// The systemd unit that it runs in, a service as <c>nvidia-dcgm.service</c> or a scope as those of sessions and of some containers;
    /// null if it is in none.
    /// </summary>
    public required string? SystemdUnit { get; init; }

    /// <summary>Whether it is this process.</summary>
    public required bool IsSelf { get; init; }

    /// <summary>
    /// The minor numbers of the GPUs whose device files it has: 0 for <c>/dev/nvidia0</c>. None if it has shared files only.
    /// </summary>
    public IReadOnlyList<int> GpuMinors => [.. Files.Select(GpuMinor).OfType<int>().Order()];

    /// <summary>
    /// The numbers of the MIG capabilities that it has, the 12 of <c>/dev/nvidia-caps/nvidia-cap12</c>: <see cref="MigMinors.GetName"/>
    /// says which instances they are of.
    /// </summary>
    public IReadOnlyList<int> CapabilityNumbers => [.. Files.Select(CapabilityNumber).OfType<int>().Order()];

    /// <summary><c>nv-hostengine (1234)</c></summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Name} ({ProcessId})");

    private static int? GpuMinor(string file) => NumberAfter(GpuClients.DevicePrefix, file);

    private static int? CapabilityNumber(string file) => NumberAfter(MigMinors.DeviceNodePrefix, file);

    private static int? NumberAfter(string prefix, string file) =>
        file.StartsWith(prefix, StringComparison.Ordinal)
        && int.TryParse(file.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            ? number
            : null;
}
