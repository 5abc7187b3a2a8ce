using Nvml.Mig;
using Nvml.Mig.Simulator;

using NvmlSimulator simulator = NvmlSimulator.Start("H200*2");
using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
GpuDevice gpu = session.Devices[1];
gpu.EnableMig();

simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.InsufficientResources) with { Nth = 2 });
try
{
    for (int i = 0; i < 7; i++)
        Console.WriteLine(gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.18gb")).Placement);
}
catch (NvmlInsufficientResourcesException e)
{
    Console.WriteLine($"{e.Code} from {e.Function}, after {simulator.GetCallCount("nvmlDeviceCreateGpuInstance")} calls");
}
