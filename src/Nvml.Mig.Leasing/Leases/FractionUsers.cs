using System.Globalization;
using System.Text;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>Tells which fraction of a device a process is of.</summary>
internal static class FractionUsers
{
    /// <summary>The kernel keeps 15 characters of a name: that of nvidia-cuda-mps-server, which is of all.</summary>
    private const string MpsServer = "nvidia-cuda-mps";

    /// <summary>Whether a process is of a fraction. One that does not say of which counts as of each.</summary>
    public static bool Has(GpuProcess process, GrantedLease lease)
    {
        if (lease.Fraction!.Backend == SharingBackend.ComputeInstances)
            return process.ComputeInstanceId is not { } id || id == lease.Instances[0].ComputeInstanceId;
        try
        {
            return !IsServer(process)
                && IsOf(process.ProcessId, lease, lease.Fraction.Environment[SharedDevices.GenerationVariable]);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    /// <summary>
    /// Whether it is the server of MPS, which has a context of its own for all fractions. One that has just ended is not.
    /// </summary>
    public static bool IsServer(GpuProcess process)
    {
        try
        {
            return File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}/comm"))
                .StartsWith(MpsServer, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>
    /// By its environment. A process can have written its title there, as workers of Python programs do: then by that of its parents.
    /// </summary>
    private static bool IsOf(int process, GrantedLease lease, string generation)
    {
        for (int? id = process; id > 1; id = MpsHost.ParentOf(id.Value))
        {
            if (ReadVariable(id.Value, SharedDevices.GenerationVariable) is { } own)
                return own == generation;
            if (lease.Hold.Process?.Id == id)
                return true;
        }

        return true;
    }

    /// <summary>Whether an MPS daemon may serve a GPU or MIG device: not, if it was started for others by their UUIDs.</summary>
    public static bool MayServe(HostProcess daemon, string device)
    {
        try
        {
            string devices = ReadVariable(daemon.Id, "CUDA_VISIBLE_DEVICES") ?? "";
            return daemon.IsRunning && devices.Split(',', StringSplitOptions.TrimEntries)
                .Any(d => device.StartsWith(d, StringComparison.Ordinal) || !(d.StartsWith("GPU-", StringComparison.Ordinal)
                    || d.StartsWith("MIG-", StringComparison.Ordinal)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return daemon.IsRunning;
        }
    }

    /// <summary>A variable that a process was started with.</summary>
    private static string? ReadVariable(int process, string name)
    {
        byte[] all = File.ReadAllBytes(string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/environ"));
        return Encoding.UTF8.GetString(all).Split('\0')
            .FirstOrDefault(v => v.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];
    }
}
