using System.Globalization;
using System.Text;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Metrics;

/// <summary>
/// A reading with the names and labels of NVIDIA's dcgm-exporter, in Prometheus' text format, so that its dashboards go on. What the GPU
/// does not measure has no line.
/// </summary>
internal static class DcgmText
{
    private const double BytesInMiB = 1 << 20;

    /// <summary>Name, kind and meaning, as in dcgm-exporter's default list, and the values of a GPU and of an instance.</summary>
    private static readonly Metric[] Metrics =
    [
        new("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C).", gpu => gpu.TemperatureCelsius, null),
        new("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W).", gpu => gpu.PowerWatts, null),
        new("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %).", gpu => gpu.Utilization * 100, null),
        new(
            "DCGM_FI_DEV_XID_ERRORS", "gauge", "Value of the last XID error encountered.", gpu => Last(gpu.Xids), i => Last(i.Xids)),
        new(
            "DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB).", gpu => gpu.Memory?.UsedBytes / BytesInMiB,
            i => i.Memory.UsedBytes / BytesInMiB),
        new(
            "DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB).", gpu => gpu.Memory?.FreeBytes / BytesInMiB,
            i => i.Memory.FreeBytes / BytesInMiB),
        new(
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active.", null, i => i.Activity?.Engine),
        new(
            "DCGM_FI_PROF_SM_ACTIVE", "gauge", "The ratio of cycles an SM has at least 1 warp assigned.", null,
            i => i.Activity?.Multiprocessors),
        new(
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Ratio of cycles the tensor (HMMA) pipe is active.", null,
            i => i.Activity?.TensorCores),
        new(
            "DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Ratio of cycles the device memory interface is active sending or receiving data.", null,
            i => i.Activity?.MemoryBandwidth),
    ];

    public static string Write(MachineReading reading, string host, string driver)
    {
        StringBuilder text = new();
        foreach (Metric metric in Metrics)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {metric.Name} {metric.Help}\n# TYPE {metric.Name} {metric.Kind}\n");
            foreach (GpuReading gpu in reading.Gpus.Where(g => g.Uuid is not null))
            {
                string labels = string.Create(
                    CultureInfo.InvariantCulture,
                    $"gpu=\"{gpu.Index}\",UUID=\"{gpu.Uuid}\",device=\"nvidia{gpu.Index}\",modelName=\"{Escape(gpu.Name)}\"");
                string rest = $"Hostname=\"{Escape(host)}\",DCGM_FI_DRIVER_VERSION=\"{Escape(driver)}\"";
                if (metric.OfGpu?.Invoke(gpu) is { } value)
                    text.Append(CultureInfo.InvariantCulture, $"{metric.Name}{{{labels},{rest}}} {value}\n");
                if (metric.OfInstance is not { } ofInstance)
                    continue;
                // Values are of GPU instances: their compute instances share them, and dcgm-exporter has no label for those.
                foreach (InstanceReading instance in gpu.Instances.DistinctBy(i => i.GpuInstanceId))
                {
                    if (ofInstance(instance) is { } part)
                    {
                        string own = string.Create(
                            CultureInfo.InvariantCulture, $"GPU_I_PROFILE=\"{ProfileOf(instance)}\",GPU_I_ID=\"{instance.GpuInstanceId}\"");
                        text.Append(CultureInfo.InvariantCulture, $"{metric.Name}{{{labels},{own},{rest}}} {part}\n");
                    }
                }
            }
        }

        return text.ToString();
    }

    /// <summary>The GPU instance's profile, without the part of it that a compute instance has (1c.3g.20gb).</summary>
    private static string ProfileOf(InstanceReading instance)
    {
        int compute = instance.Profile.IndexOf("c.", StringComparison.Ordinal);
        return compute < 0 ? instance.Profile : instance.Profile[(compute + 2)..];
    }

    /// <summary>0 if there was none, as dcgm-exporter has it.</summary>
    private static double? Last(IReadOnlyList<XidCount> xids) => xids.Count == 0 ? 0 : xids[^1].Xid;

    private static string Escape(string? text) => (text ?? "")
        .Replace("\\", "\\\\", StringComparison.Ordinal)
        .Replace("\"", "\\\"", StringComparison.Ordinal)
        .Replace("\n", "\\n", StringComparison.Ordinal);

    private sealed record Metric(
        string Name, string Kind, string Help, Func<GpuReading, double?>? OfGpu, Func<InstanceReading, double?>? OfInstance);
}
