using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Native;

/// <summary>
/// The log messages of the library: changes at Information, failures of the driver at Warning. The event ids are public: they are not
/// reused.
/// </summary>
internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Debug, "NVML session opened on {LibraryPath}")]
    public static partial void SessionOpened(ILogger logger, string libraryPath);

    [LoggerMessage(2, LogLevel.Debug, "NVML session closed")]
    public static partial void SessionClosed(ILogger logger);

    [LoggerMessage(3, LogLevel.Warning, "{Function} returned {Symbol} ({Code}): cannot {Act}")]
    public static partial void NativeFailure(ILogger logger, string function, string symbol, int code, string act);

    [LoggerMessage(10, LogLevel.Information, "Set MIG mode of {Gpu} to {Enabled}: {Outcome}, in {Milliseconds:0.###} ms")]
    public static partial void MigModeSet(ILogger logger, string gpu, bool enabled, MigModeChange outcome, double milliseconds);

    [LoggerMessage(
        15, LogLevel.Warning, "Cannot set MIG mode of {Gpu} to {Enabled}: NVML_ERROR_IN_USE (19), in {Milliseconds:0.###} ms")]
    public static partial void MigModeRefused(ILogger logger, string gpu, bool enabled, double milliseconds);

    [LoggerMessage(16, LogLevel.Warning, "Created a GPU instance {Profile} on {Gpu} that cannot be read back")]
    public static partial void GpuInstanceCreatedUnread(ILogger logger, string profile, string gpu);

    [LoggerMessage(17, LogLevel.Warning, "Created a compute instance {Profile} in {GpuInstance} that cannot be read back")]
    public static partial void ComputeInstanceCreatedUnread(ILogger logger, string profile, string gpuInstance);

    [LoggerMessage(11, LogLevel.Information, "Created GPU instance {Id} ({Profile} at {Placement}) on {Gpu} in {Milliseconds:0.###} ms")]
    public static partial void GpuInstanceCreated(
        ILogger logger, int id, string profile, Placement placement, string gpu, double milliseconds);

    [LoggerMessage(12, LogLevel.Information, "Destroyed {GpuInstance} in {Milliseconds:0.###} ms")]
    public static partial void GpuInstanceDestroyed(ILogger logger, string gpuInstance, double milliseconds);

    [LoggerMessage(
        13, LogLevel.Information, "Created compute instance {Id} ({Profile} at {Placement}) in {GpuInstance} in {Milliseconds:0.###} ms")]
    public static partial void ComputeInstanceCreated(
        ILogger logger, int id, string profile, Placement placement, string gpuInstance, double milliseconds);

    [LoggerMessage(14, LogLevel.Information, "Destroyed {ComputeInstance} in {Milliseconds:0.###} ms")]
    public static partial void ComputeInstanceDestroyed(ILogger logger, string computeInstance, double milliseconds);

    [LoggerMessage(18, LogLevel.Warning, "{Left} remains: {Reason}")]
    public static partial void ScopedInstanceLeft(ILogger logger, string left, string reason);
}
