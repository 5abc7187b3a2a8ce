using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Devices;

/// <summary>The document of <c>devices --json</c>.</summary>
internal sealed record DevicesDocument(
    string DriverVersion, string NvmlVersion, string Library, IReadOnlyList<DeviceEntry> Gpus, ErrorEntry? Error);

/// <summary>
/// A GPU: all null but the error if it does not answer; <c>mig</c> is null if it does not support MIG; <c>notice</c> says what to do about
/// a mode that is pending.
/// </summary>
internal sealed record DeviceEntry(
    int Index, string? Name, string? Uuid, string? PciBusId, bool? MigCapable, MigModeEntry? Mig, string? Notice,
    ErrorEntry? Error);
