namespace Nvml.Mig.Tests;

/// <summary>The start of most tests: a simulated machine, a session on it, and its first GPU.</summary>
internal sealed class SimulatedGpu : IDisposable
{
    private SimulatedGpu(string gpus)
    {
        Simulator = NvmlSimulator.Start(gpus);
        Session = NvmlSession.Open(Simulator.LibraryPath);
    }

    public NvmlSimulator Simulator { get; }

    public NvmlSession Session { get; }

    public GpuDevice Gpu => Session.Devices[0];

    public static SimulatedGpu Start(string gpus = "A100-SXM4-40GB", bool migEnabled = true)
    {
        SimulatedGpu machine = new(gpus);
        if (migEnabled)
        {
            foreach (GpuDevice gpu in machine.Session.Devices)
                gpu.EnableMig().Outcome.Should().Be(MigModeOutcome.Activated);
        }

        return machine;
    }

    /// <summary>Creates a GPU instance from a profile's name or id, where the driver puts it.</summary>
    public GpuInstance Create(string profile, Placement? placement = null) =>
        Gpu.CreateGpuInstance(Gpu.GetGpuInstanceProfile(profile), placement);

    public void Dispose()
    {
        Session.Dispose();
        Simulator.Dispose();
    }
}
