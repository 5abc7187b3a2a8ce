using System.Globalization;
using Nvml.Mig.Cli.Arguments;

namespace Nvml.Mig.Cli.Destroy;

/// <summary>An instance on the command line: <c>2</c> is GPU instance 2, <c>2/0</c> compute instance 0 in it.</summary>
internal sealed record InstanceName(int GpuInstance, int? ComputeInstance)
{
    public static InstanceName Parse(string text)
    {
        string[] parts = text.Split('/');
        if (parts.Length is 1 or 2 && TryParse(parts[0], out int gpuInstance))
        {
            if (parts.Length == 1)
                return new InstanceName(gpuInstance, null);
            if (TryParse(parts[1], out int computeInstance))
                return new InstanceName(gpuInstance, computeInstance);
        }

        throw new UsageException($"'{text}' is not an instance: write 2 for GPU instance 2, or 2/0 for its compute instance 0.");
    }

    private static bool TryParse(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
