using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Leases;
using Nvml.Mig.Leasing.Tests.Mps;
using Nvml.Mig.Simulator;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>
/// This assembly as a program: a process that leases, and that can be ended at any point. The test runner does not use it.
/// </summary>
internal static class LeaseWorker
{
    public const int OverlapCode = 3;

    /// <summary>Starts a process that does something on a shared machine.</summary>
    public static Process Start(params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", ["exec", typeof(LeaseWorker).Assembly.Location, .. arguments])
        {
            RedirectStandardError = true,
            UseShellExecute = false,
            Environment = { ["DOTNET_TieredPGO"] = "0" }, // It lives too short for what that gains.
        })!;

    /// <summary>The act of a name, for a process that dies in it.</summary>
    public static async Task ActAsync(string act, LeaseManager manager)
    {
        switch (act)
        {
            case "claim":
            case "reuse":
                await manager.ClaimAsync(LeaseMachine.Want("new", "3g.20gb"), LeaseHold.UntilReleased);
                break;
            case "gang":
                await manager.ClaimAsync(LeaseMachine.Want("new", "1g.5gb", count: 2), LeaseHold.UntilReleased);
                break;
            case "part":
            case "second part":
                await manager.ClaimAsync(WantPart("new"), LeaseHold.UntilReleased);
                break;
            case "release":
            case "release a part":
            case "release the last part":
                await manager.ReleaseAsync("old");
                break;
            case "evict":
            case "reclaim":
                await manager.ClaimAsync(LeaseMachine.Want("new", "4g.20gb", queue: "quota", uid: 1001), LeaseHold.UntilReleased);
                break;
            default:
                throw new ArgumentException("There is no such act.", nameof(act));
        }
    }

    public static Claim WantPart(string id) =>
        LeaseMachine.Want(id, "3g.20gb") with { Fraction = new Fraction { ComputeSlices = 1 } };

    private static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["die", var folder, var act, var fault, var write]:
                return await DieAsync(folder, act, fault, int.Parse(write, CultureInfo.InvariantCulture));
            case ["work", var folder, var gpus, var seed, var count]:
                return await WorkAsync(
                    folder, gpus, int.Parse(seed, CultureInfo.InvariantCulture), int.Parse(count, CultureInfo.InvariantCulture));
            case [MpsWorker.Task, var root, var control, var device]:
                return await MpsWorker.WorkAsync(root, control, device);
            default:
                throw new ArgumentException("There is no such task.", nameof(arguments));
        }
    }

    /// <summary>Dies at a native call, or before or after a write of the store: odd numbers are before, even ones after.</summary>
    private static async Task<int> DieAsync(string folder, string act, string fault, int write)
    {
        using LeaseMachine machine = new("A100-SXM4-40GB", folder);
        using LeaseManager manager = await LeaseManager.OpenAsync(machine.Session, machine.Options);
        int writes = 0;
        LeaseStore.Writing = _ =>
        {
            if (++writes == write)
                HostProcess.Current.Kill();
        };
        if (fault.Split(' ') is [var function, var nth, var after])
        {
            machine.Simulator.SetFaults(NvmlFault.Kill(function) with
            {
                Nth = int.Parse(nth, CultureInfo.InvariantCulture),
                AfterEffect = after == "after",
            });
        }

        await ActAsync(act, manager);
        return 0;
    }

    /// <summary>Claims and ends leases, some by releasing, some by letting them expire, with faults of the driver at random.</summary>
    private static async Task<int> WorkAsync(string folder, string gpus, int seed, int count)
    {
        Random random = new(seed);
        using LeaseMachine machine = new(gpus, folder);
        using LeaseManager manager = await LeaseManager.OpenAsync(
            machine.Session, new LeaseOptions { JournalFolder = machine.JournalFolder });
        machine.Simulator.SetFaults(
            Fault("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.InsufficientResources),
            Fault("nvmlGpuInstanceCreateComputeInstance", NvmlReturnCode.Unknown),
            Fault("nvmlGpuInstanceDestroy", NvmlReturnCode.InUse),
            Fault("nvmlComputeInstanceDestroy", NvmlReturnCode.InUse),
            Fault("nvmlGpuInstanceGetInfo", NvmlReturnCode.Unknown));
        string[] profiles = ["1g.10gb", "1g.10gb", "2g.20gb", "3g.40gb", "7g.80gb"];
        string log = Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"waits-{seed}-{Environment.ProcessId}"));
        for (int i = 0; i < count; i++)
        {
            string id = string.Create(CultureInfo.InvariantCulture, $"{seed}-{Environment.ProcessId}-{i}");
            bool expires = random.Next(5) == 0;
            Claim claim = LeaseMachine.Want(
                id, profiles[random.Next(profiles.Length)], count: 1 + random.Next(2), uid: (uint)(1000 + random.Next(3)));
            LeaseHold hold = expires ? new LeaseHold(HostProcess.Current, TimeSpan.FromMilliseconds(300)) : LeaseHold.WhileThisProcessRuns;
            long start = Stopwatch.GetTimestamp();
            GrantedLease? lease = null;
            try
            {
                lease = await manager.ClaimAsync(claim, hold, TimeSpan.FromMinutes(5));
            }
            catch (LeaseException e) when (expires && e.Error == LeaseError.Ended && e.Message.Contains("was not renewed by"))
            {
                // 32 processes on two cores: the 300 ms were over before this one looked.
            }

            File.AppendAllText(log, string.Create(
                CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(start).TotalMilliseconds:0.0}\n"));
            // A lease that ends by time keeps its notes: another process can have the instance by then, and has noted it.
            if (lease is not null)
                Hold(folder, lease);
            await Task.Delay(random.Next(5));
            if (expires)
                continue;
            foreach (LeasedInstance instance in lease!.Instances)
                File.Delete(Path.Combine(folder, instance.MigUuid));
            await manager.ReleaseAsync(id);
        }

        return 0;

        NvmlFault Fault(string function, NvmlReturnCode code) =>
            NvmlFault.Return(function, code) with { Nth = null, Rate = 0.01, Seed = (uint)seed };
    }

    /// <summary>
    /// Notes that this process has the instances, for as long as it has them: another that runs and has one too is what must never be.
    /// </summary>
    private static void Hold(string folder, GrantedLease lease)
    {
        DateTimeOffset until = lease.Expires ?? DateTimeOffset.MaxValue;
        foreach (LeasedInstance instance in lease.Instances)
        {
            string file = Path.Combine(folder, instance.MigUuid);
            string[] note = File.Exists(file) ? File.ReadAllText(file).Split(' ') : [];
            if (note is [var pid, var started, var ends] && Number(ends) > DateTimeOffset.UtcNow.UtcTicks
                && new HostProcess((int)Number(pid), Number(started)).IsRunning && DateTimeOffset.UtcNow < until)
            {
                Console.Error.WriteLine($"{instance} is held by process {pid} too.");
                Environment.Exit(OverlapCode);
            }

            File.WriteAllText(file, string.Create(
                CultureInfo.InvariantCulture, $"{HostProcess.Current.Id} {HostProcess.Current.StartTime} {until.UtcTicks}"));
        }
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
