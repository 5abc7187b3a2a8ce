using Nvml.Mig;
using Nvml.Mig.Simulator;

// On a machine with GPUs: NvmlSession.Open(). A simulated one for tests, and for the first five minutes:
using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB");
using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);

GpuDevice gpu = session.Devices[0];
MigModeChange change = gpu.EnableMig(); // Activated, Pending or InUse
GpuInstance half = gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("3g.20gb"));
ComputeInstance compute = half.CreateComputeInstance();
Console.WriteLine($"{change}: {half.Profile} at {half.Placement} is {compute.GetMigDevice().Uuid}");

try
{
    half.Destroy();
}
catch (NvmlInUseException e)
{
    Console.WriteLine(e.Message);
}

compute.Destroy();
half.Destroy();
