using System.Globalization;
using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Doctor;

/// <summary>Reads everything of one GPU that helps to understand it. What cannot be read is noted, and the rest read on.</summary>
internal sealed class GpuExamination
{
    private readonly GpuDevice _gpu;
    private readonly GpuReport _report;
    private readonly List<UnreadEntry> _unread = [];

    private GpuExamination(GpuDevice gpu)
    {
        _gpu = gpu;
        _report = new GpuReport(gpu.Index);
    }

    public static GpuReport Examine(GpuDevice gpu)
    {
        GpuExamination examination = new(gpu);
        try
        {
            examination.ReadIdentity();
            examination.ReadCondition();
            examination.ReadMig();
        }
        catch (NvmlException e)
        {
            examination._report.Error = ErrorEntry.From(e);
        }

        examination._report.Unread = examination._unread;
        return examination._report;
    }

    /// <summary>Fails as a whole if the GPU does not answer at all.</summary>
    private void ReadIdentity()
    {
        _report.Uuid = _gpu.Uuid;
        _report.Name = _gpu.Name;
        _report.PciBusId = _gpu.PciBusId;
        _report.MigCapable = Value("mig", () =>
        {
            MigMode? mode = _gpu.TryGetMigMode();
            _report.Mig = mode is { } known ? MigModeEntry.From(known) : null;
            return mode is not null;
        });
        _report.MinorNumber = Value("minorNumber", () => _gpu.MinorNumber);
        _report.Serial = Try("serial", _gpu.GetSerial);
        _report.Brand = Try("brand", () => _gpu.Brand.ToString());
        _report.Architecture = Try("architecture", () => _gpu.Architecture.ToString());
        _report.ComputeCapability = Try("computeCapability", () => _gpu.ComputeCapability.ToString());
        _report.VbiosVersion = Try("vbiosVersion", _gpu.GetVbiosVersion);
    }

    private void ReadCondition()
    {
        _report.PersistenceMode = Value("persistenceMode", _gpu.GetPersistenceMode);
        _report.ComputeMode = Try("computeMode", () => _gpu.GetComputeMode().ToString());
        _report.VirtualizationMode = Try("virtualizationMode", () => _gpu.GetVirtualizationMode().ToString());
        _report.FabricState = Try("fabricState", () => _gpu.GetFabricInfo().State.ToString());
        if (Value("memory", _gpu.GetMemory) is { } memory)
            _report.Memory = new MemoryReport(memory.TotalBytes, memory.ReservedBytes, memory.UsedBytes, memory.FreeBytes);
        _report.Bar1TotalBytes = Value("bar1TotalBytes", () => _gpu.GetBar1Memory().TotalBytes);
        _report.TemperatureCelsius = Value("temperatureCelsius", _gpu.GetTemperatureCelsius);
        _report.PowerWatts = Value("powerWatts", _gpu.GetPowerUsageWatts);
        _report.PowerLimitWatts = Value("powerLimitWatts", _gpu.GetPowerLimitWatts);
        _report.UtilizationPercent = Value("utilizationPercent", () => _gpu.GetUtilization().GpuPercent);
        _report.UncorrectedEccErrors = Value(
            "uncorrectedEccErrors", () => _gpu.GetEccErrorCount(EccErrorType.Uncorrected, EccCounterType.Aggregate));
        if (Value("remappedRows", _gpu.GetRemappedRows) is { } rows)
            _report.RemappedRows = new RemappedRowsReport(rows.Correctable, rows.Uncorrectable, rows.IsPending, rows.HasFailed);
        _report.SupportedEvents = Try(
            "supportedEvents", () => string.Create(CultureInfo.InvariantCulture, $"0x{(long)_gpu.GetSupportedEvents():x}"));
        _report.Gpm = Value("gpm", _gpu.IsGpmSupported);
        _report.Processes = Try("processes", () => (IReadOnlyList<ProcessReport>)[.. _gpu.GetProcesses().Select(p => new ProcessReport(
            p.ProcessId, p.Name, p.Kinds.ToString(), p.UsedMemoryBytes, p.GpuInstanceId, p.ComputeInstanceId))]);
    }

    private void ReadMig()
    {
        if (Value("migFeatures", _gpu.GetMigFeatures) is { } features)
        {
            _report.ChangesMigModeWithoutReset = features.ChangesModeWithoutReset;
            _report.AnswersInAnyMigMode = features.AnswersInAnyMode;
        }

        _report.Profiles = Try("profiles", () => (IReadOnlyList<ProfileReport>)[.. _gpu.GetGpuInstanceProfiles().Select(p => new ProfileReport(
            p.Number,
            p.Id,
            p.Name,
            p.SliceCount,
            p.MaxInstances,
            _gpu.GetRemainingCapacity(p),
            p.MemoryMiB,
            p.MultiprocessorCount,
            _gpu.GetCapabilities(p).ToString(),
            [.. _gpu.GetPossiblePlacements(p).Select(PlacementEntry.From)]))]);
        if (Try("structVersions", _gpu.ProbeDriver) is { } probe)
        {
            _report.StructVersions = [.. probe.StructVersions.Select(v => new StructVersionReport(v.Struct, v.Version, v.Code))];
            _report.Quirks = [.. probe.Quirks.Select(q => new QuirkReport(q.Name, q.Description))];
        }

        if (_report.Mig is { } mode)
            _report.GpuInstances = Try("gpuInstances", () => Layout.Read(_gpu, new MigMode(mode.Current, mode.Pending)).GpuInstances);
    }

    /// <summary>What cannot be read is null, and noted.</summary>
    private T? Value<T>(string what, Func<T> read)
        where T : struct
    {
        try
        {
            return read();
        }
        catch (NvmlException e)
        {
            return Note(what, e) as T?;
        }
    }

    private T? Try<T>(string what, Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (NvmlException e)
        {
            return Note(what, e) as T;
        }
    }

    /// <summary>A GPU that is lost answers nothing more: that is the report.</summary>
    private object? Note(string what, NvmlException e)
    {
        if (e.Code == NvmlReturnCode.GpuIsLost)
            throw e;
        _unread.Add(new UnreadEntry(what, e.Code, e.Function, e.Message));
        return null;
    }
}
