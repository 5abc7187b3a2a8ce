namespace Nvml.Mig.HardwareTests;

/// <summary>A test that reads a real GPU, and is skipped with the reason where there is none.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class HardwareFactAttribute : FactAttribute
{
    private static readonly string? Reason = WhyNot();

    public HardwareFactAttribute() => Skip = Reason!;

    private static string? WhyNot()
    {
        try
        {
            using NvmlSession session = NvmlSession.Open();
            return session.Devices.Count == 0 ? "NVML shows no GPU." : null;
        }
        catch (NvmlException e)
        {
            return e.Message;
        }
    }
}
