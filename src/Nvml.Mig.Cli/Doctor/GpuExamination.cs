using System.Globalization;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>
/// Reads everything of one GPU that helps to understand it. A reading that fails is noted, and the rest is read nevertheless.
/// </summary>
internal sealed class GpuExamination
{
    private readonly GpuDevice _gpu;
    private readonly List<UnreadEntry> _unread = [];

    /// <summary>Why the GPU answers nothing at all. From then on nothing is asked any more.</summary>
    private NvmlException? _error;

    private GpuExamination(GpuDevice gpu) => _gpu = gpu;

    public static GpuReport Examine(GpuDevice gpu)
    {
        GpuExamination examination = new(gpu);
        return examination.ReadMig(examination.ReadCondition(examination.ReadIdentity())) with
        {
            Unread = examination._unread,
            Error = ErrorEntry.FromOptional(examination._error),
        };
    }

    private GpuReport ReadIdentity()
    {
        GpuReport report = new(_gpu.Index)
        {
            Uuid = Required(() => _gpu.Uuid),
            Name = Required(() => _gpu.Name),
            PciBusId = Required(() => _gpu.PciBusId),
        };
        bool? isCapable = Value("mig", () =>
        {
            MigMode? mode = _gpu.TryGetMigMode();
            report = report with { Mig = mode is { } known ? MigModeEntry.From(known) : null };
            return mode is not null;
        });
        return report with
        {
            MigCapable = isCapable,
            MinorNumber = Value("minorNumber", () => _gpu.MinorNumber),
            Serial = Try("serial", _gpu.GetSerial),
            Brand = Try("brand", () => _gpu.Brand.ToString()),
            Architecture = Try("architecture", () => _gpu.Architecture.ToString()),
            ComputeCapability = Try("computeCapability", () => _gpu.ComputeCapability.ToString()),
            VbiosVersion = Try("vbiosVersion", _gpu.GetVbiosVersion),
        };
    }

    private GpuReport ReadCondition(GpuReport report) => report with
    {
        PersistenceMode = Value("persistenceMode", _gpu.GetPersistenceMode),
        ComputeMode = Try("computeMode", () => _gpu.GetComputeMode().ToString()),
        VirtualizationMode = Try("virtualizationMode", () => _gpu.GetVirtualizationMode().ToString()),
        FabricState = Try("fabricState", () => _gpu.GetFabricInfo().State.ToString()),
        Memory = Value("memory", _gpu.GetMemory) is { } memory
            ? new MemoryReport(memory.TotalBytes, memory.ReservedBytes, memory.UsedBytes, memory.FreeBytes)
            : null,
        Bar1TotalBytes = Value("bar1TotalBytes", () => _gpu.GetBar1Memory().TotalBytes),
        TemperatureCelsius = Value("temperatureCelsius", _gpu.GetTemperatureCelsius),
        PowerWatts = Value("powerWatts", _gpu.GetPowerUsageWatts),
        PowerLimitWatts = Value("powerLimitWatts", _gpu.GetPowerLimitWatts),
        UtilizationPercent = Value("utilizationPercent", () => _gpu.GetUtilization().GpuPercent),
        UncorrectedEccErrors = Value(
            "uncorrectedEccErrors", () => _gpu.GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Aggregate)),
        RemappedRows = Value("remappedRows", _gpu.GetRemappedRows) is { } rows
            ? new RemappedRowsReport(rows.Correctable, rows.Uncorrectable, rows.IsPending, rows.HasFailed)
            : null,
        SupportedEvents = Try(
            "supportedEvents", () => string.Create(CultureInfo.InvariantCulture, $"0x{(long)_gpu.GetSupportedEvents():x}")),
        Gpm = Value("gpm", _gpu.IsGpmSupported),
        Processes = Try("processes", () => (IReadOnlyList<ProcessReport>)[.. _gpu.GetProcesses().Select(p => new ProcessReport(
            p.ProcessId, p.Name, p.Kinds.ToString(), p.UsedMemoryBytes, p.GpuInstanceId, p.ComputeInstanceId))]),
    };

    private GpuReport ReadMig(GpuReport report)
    {
        MigFeatures? features = Value("migFeatures", _gpu.GetMigFeatures);
        IReadOnlyList<ProfileReport>? profiles = Try("profiles", ReadProfiles);
        DriverProbe? probe = Try("structVersions", _gpu.ProbeDriver);
        return report with
        {
            ChangesMigModeWithoutReset = features?.ChangesModeWithoutReset,
            AnswersInAnyMigMode = features?.AnswersInAnyMode,
            Profiles = profiles,
            StructVersions = probe is null
                ? null
                : [.. probe.StructVersions.Select(v => new StructVersionReport(v.Struct, v.Version, v.Code))],
            Quirks = probe is null ? null : [.. probe.Quirks.Select(q => new QuirkReport(q.Name, q.Description))],
            GpuInstances = report.Mig is { } mode
                ? Try("gpuInstances", () => Layout.Read(_gpu, new MigMode(mode.Current, mode.Pending)).GpuInstances)
                : null,
        };
    }

    private IReadOnlyList<ProfileReport> ReadProfiles() =>
        [.. _gpu.GetGpuInstanceProfiles().Select(p => new ProfileReport(
            p.Number,
            p.Id,
            p.Name,
            p.SliceCount,
            p.MaxInstances,
            _gpu.GetRemainingCapacity(p),
            p.MemoryMiB,
            p.MultiprocessorCount,
            _gpu.GetCapabilities(p).ToString(),
            [.. _gpu.GetPossiblePlacements(p).Select(PlacementEntry.From)]))];

    /// <summary>A GPU without this does not answer at all.</summary>
    private string? Required(Func<string> read)
    {
        try
        {
            return _error is null ? read() : null;
        }
        catch (NvmlException e)
        {
            _error = e;
            return null;
        }
    }

    private T? Value<T>(string what, Func<T> read)
        where T : struct => TryRead(what, read, out T value) ? value : null;

    private T? Try<T>(string what, Func<T> read)
        where T : class => TryRead(what, read, out T? value) ? value : null;

    private bool TryRead<T>(string what, Func<T> read, out T? value)
    {
        value = default;
        if (_error is not null)
            return false;
        try
        {
            value = read();
            return true;
        }
        catch (NvmlException e)
        {
            if (e.Code == NvmlReturnCode.GpuIsLost)
                _error = e;
            else
                _unread.Add(new UnreadEntry(what, e.Code, e.Function, e.Message));
            return false;
        }
    }
}
