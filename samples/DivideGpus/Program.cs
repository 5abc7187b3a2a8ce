using Nvml.Mig;
using Nvml.Mig.Applying;
using Nvml.Mig.Simulator;

using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB*2");
using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
LayoutSpec layout = LayoutSpec.Parse("3g.20gb,1g.5gb*3");
ApplyOptions options = new() { JournalFolder = Directory.CreateTempSubdirectory("layouts").FullName, AllOrNothing = true };

// The seventh of the eight GPU instances cannot be created:
simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 7 });
ApplyResult failed = await LayoutApplier.ApplyAsync([.. session.Devices.Select(gpu => new GpuTarget(gpu, layout))], options);
Console.WriteLine(string.Join(", ", failed.Gpus.Select(gpu => gpu.Outcome)));

ApplyResult done = await LayoutApplier.ApplyAsync([.. session.Devices.Select(gpu => new GpuTarget(gpu, layout))], options);
Console.WriteLine(string.Join(", ", done.Gpus.Select(gpu => $"{gpu.Outcome} in {gpu.Steps.Count} steps")));

ApplyResult back = await LayoutApplier.RollbackAsync(session, options: options);
Console.WriteLine(string.Join(", ", session.Devices.Select(gpu => $"MIG {gpu.GetMigMode()}")));
