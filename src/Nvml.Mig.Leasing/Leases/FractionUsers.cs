using System.Globalization;
using System.Text;

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
        string folder = string.Create(CultureInfo.InvariantCulture, $"/proc/{process.ProcessId}");
        try
        {
            if (File.ReadAllText(Path.Combine(folder, "comm")).StartsWith(MpsServer, StringComparison.Ordinal))
                return false;
            string variable = $"{SharedDevices.GenerationVariable}=";
            string? own = Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, "environ"))).Split('\0')
                .FirstOrDefault(v => v.StartsWith(variable, StringComparison.Ordinal));
            return own is null || own == variable + lease.Fraction.Environment[SharedDevices.GenerationVariable];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }
}
