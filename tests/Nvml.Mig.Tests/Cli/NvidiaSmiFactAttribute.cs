namespace Nvml.Mig.Tests.Cli;

/// <summary>A test with NVIDIA's own nvidia-smi, where the environment variable NVIDIA_SMI names one.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class NvidiaSmiFactAttribute : FactAttribute
{
    public NvidiaSmiFactAttribute()
    {
        if (string.IsNullOrEmpty(Path))
            Skip = "NVIDIA_SMI does not name a real nvidia-smi.";
    }

    public static string? Path => Environment.GetEnvironmentVariable("NVIDIA_SMI");
}
