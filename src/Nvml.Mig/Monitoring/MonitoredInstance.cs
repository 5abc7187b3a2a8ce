using System.Globalization;

namespace Nvml.Mig.Monitoring;

/// <summary>A MIG device that is read again and again.</summary>
internal sealed class MonitoredInstance : IDisposable
{
    private static readonly GpmMetric[] Metrics =
    [
        GpmMetric.GraphicsUtilization, GpmMetric.SmUtilization, GpmMetric.AnyTensorUtilization, GpmMetric.DramBandwidthUtilization,
    ];

    private readonly GpuInstance _inside;
    private readonly string _profile;
    private long? _size;
    private GpmSample? _sample;
    private long _sampled;

    public MonitoredInstance(MigDevice device, GpuInstance inside)
    {
        Device = device;
        _inside = inside;
        _profile = NameProfile(device, inside.Profile.Name);
    }

    public MigDevice Device { get; }

    public XidCounts Xids { get; } = new();

    public bool IsSame(MigDevice device, GpuInstance inside) =>
        device.Uuid == Device.Uuid && device.ComputeInstanceId == Device.ComputeInstanceId
        && inside.Id == _inside.Id && inside.Profile == _inside.Profile && inside.Placement == _inside.Placement;

    public bool IsMeantBy(GpuEvent happened) =>
        happened.GpuInstanceId == Device.GpuInstanceId
        && (happened.ComputeInstanceId ?? Device.ComputeInstanceId) == Device.ComputeInstanceId;

    /// <summary>Whether the memory is of another size than at first.</summary>
    public bool HasOtherSize(GpuMemory memory) => (_size ??= memory.TotalBytes) != memory.TotalBytes;

    /// <summary>The activity since the last time; null the first time.</summary>
    public InstanceActivity? ReadActivity(TimeProvider time)
    {
        GpmSample? before = _sample;
        long since = _sampled;
        _sample = null;
        try
        {
            GpmSample now = _inside.TakeGpmSampleUnchecked();
            (_sample, _sampled) = (now, time.GetTimestamp());
            if (before is null)
                return null;
            double?[] parts = [.. now.GetMetricsSince(before, Metrics).Select(ToPart)];
            return new InstanceActivity(time.GetElapsedTime(since, _sampled), parts[0])
            {
                Multiprocessors = parts[1],
                TensorCores = parts[2],
                MemoryBandwidth = parts[3],
            };
        }
        catch (ArgumentException)
        {
            return null; // It was destroyed and created again in between, through this session.
        }
        finally
        {
            before?.Dispose();
        }
    }

    public InstanceReading ToReading(GpuMemory memory) =>
        new(Device.Uuid, Device.GpuInstanceId, Device.ComputeInstanceId, _profile, _inside.Placement, memory) { Xids = Xids.ToList() };

    public void Dispose() => _sample?.Dispose();

    /// <summary>Samples of two instances, one in the place of the other, give numbers out of range: they are no values.</summary>
    private static double? ToPart(GpmMetricValue value) =>
        value.Code == NvmlReturnCode.Success && value.Value is >= 0 and <= 100 ? value.Value / 100 : null;

    private static string NameProfile(MigDevice device, string profile)
    {
        try
        {
            MigDeviceAttributes attributes = device.GetAttributes();
            return attributes.ComputeInstanceSliceCount == attributes.GpuInstanceSliceCount
                ? profile
                : string.Create(CultureInfo.InvariantCulture, $"{attributes.ComputeInstanceSliceCount}c.{profile}");
        }
        catch (NvmlException e) when (e.Code is NvmlReturnCode.NotSupported or NvmlReturnCode.FunctionNotFound)
        {
            return profile; // Known drivers have it; one that has not has the name of the GPU instance's profile.
        }
    }
}
