using System.Diagnostics;
using System.Globalization;
using Xunit.Abstractions;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>
/// A process is killed before and after each changing native call and each write of the store. Afterwards every lease is whole or gone, no
/// instance is lost, and a stranger's instance is as it was.
/// </summary>
public class LeaseDeathTests(ITestOutputHelper output)
{
    private static readonly string[] Changing =
    [
        "nvmlDeviceCreateGpuInstanceWithPlacement", "nvmlGpuInstanceCreateComputeInstance", "nvmlComputeInstanceDestroy",
        "nvmlGpuInstanceDestroy",
    ];

    [Theory]
    [InlineData("claim")]
    [InlineData("gang")]
    [InlineData("reuse")]
    [InlineData("release")]
    [InlineData("evict")]
    [InlineData("reclaim")]
    [InlineData("part")]
    [InlineData("second part")]
    [InlineData("release a part")]
    [InlineData("release the last part")]
    public async Task Every_point_of_death(string act)
    {
        string start = await PrepareAsync(act);
        (long[] calls, int writes) = await CountAsync(start, act);
        int deaths = 0;
        int point = 0;
        for (int i = 0; i < Changing.Length; i++)
        {
            for (int nth = 1; nth <= calls[i]; nth++)
            {
                foreach (string moment in (string[])["before", "after"])
                {
                    if (!IsWanted())
                        continue;
                    deaths++;
                    await DieAsync(start, act, string.Create(CultureInfo.InvariantCulture, $"{Changing[i]} {nth} {moment}"), 0);
                }
            }
        }

        for (int write = 1; write <= writes; write++)
        {
            if (!IsWanted())
                continue;
            deaths++;
            await DieAsync(start, act, "", write);
        }

        Directory.Delete(start, recursive: true);
        output.WriteLine($"{act}: {deaths} deaths");
        deaths.Should().BePositive();

        // In the short form every third.
        bool IsWanted() => LongTests.Wanted || point++ % 3 == 0;
    }

    /// <summary>A machine with a stranger's instance, and what the act needs.</summary>
    private static async Task<string> PrepareAsync(string act)
    {
        string folder = Directory.CreateTempSubdirectory("nvml-mig-death-").FullName;
        using LeaseMachine machine = new("A100-SXM4-40GB", folder);
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("1g.5gb"), new Placement(6, 1)).CreateComputeInstance();
        LeaseManager manager = await machine.OpenAsync();
        await manager.SetQueueAsync(new LeaseQueue("quota") { Quota = new Slices(4, 4) });
        await manager.SetQueueAsync(new LeaseQueue("poor") { Quota = new Slices(0, 0) });
        switch (act)
        {
            case "release":
                await manager.ClaimAsync(LeaseMachine.Want("old", "3g.20gb"), LeaseHold.UntilReleased);
                break;
            case "reuse":
            case "evict":
                await manager.ClaimAsync(LeaseMachine.Want("old", "3g.20gb"), LeaseHold.UntilReleased);
                await manager.ReleaseAsync("old");
                break;
            case "second part":
            case "release the last part":
                await manager.ClaimAsync(LeaseWorker.WantPart("old"), LeaseHold.UntilReleased);
                break;
            case "release a part":
                await manager.ClaimAsync(LeaseWorker.WantPart("old"), LeaseHold.UntilReleased);
                await manager.ClaimAsync(LeaseWorker.WantPart("other"), LeaseHold.UntilReleased);
                break;
            case "reclaim":
                await manager.ClaimAsync(
                    LeaseMachine.Want("old", "3g.20gb", queue: "poor") with { IsPreemptible = true }, LeaseHold.UntilReleased);
                break;
        }

        return folder;
    }

    private static async Task<(long[] Calls, int Writes)> CountAsync(string start, string act)
    {
        string folder = Copy(start);
        using LeaseMachine machine = new("A100-SXM4-40GB", folder);
        LeaseManager manager = await machine.OpenAsync();
        long[] before = [.. Changing.Select(f => machine.Simulator.GetCallCount(f))];
        int writes = 0;
        Mig.Leasing.Leases.LeaseStore.Writing = _ => writes++;
        try
        {
            await LeaseWorker.ActAsync(act, manager);
        }
        finally
        {
            Mig.Leasing.Leases.LeaseStore.Writing = null;
        }

        return ([.. Changing.Select((f, i) => machine.Simulator.GetCallCount(f) - before[i])], writes);
    }

    private static async Task DieAsync(string start, string act, string fault, int write)
    {
        string because = string.Create(CultureInfo.InvariantCulture, $"{act} died at {fault}{(write > 0 ? $"write {write}" : "")}");
        string folder = Copy(start);
        using (Process worker = LeaseWorker.Start("die", folder, act, fault, write.ToString(CultureInfo.InvariantCulture)))
        {
            Task<string> error = worker.StandardError.ReadToEndAsync();
            await worker.WaitForExitAsync();
            worker.ExitCode.Should().Be(128 + 9, $"{because}: {await error}");
        }

        using (LeaseMachine machine = new("A100-SXM4-40GB", folder))
        {
            LeaseManager manager = await machine.OpenAsync();
            await machine.CheckAsync(manager, because);
            machine.Describe().Should().Contain("0: 1g.5gb at 6:1", because);

            // What was asked for can be had still, and all goes in the end but what is a stranger's.
            if (!act.StartsWith("release", StringComparison.Ordinal) || (await manager.ReadAsync()).Leases.Any(l => l.Id == "old"))
                await LeaseWorker.ActAsync(act, manager).WaitAsync(TimeSpan.FromSeconds(30));
            await machine.CheckAsync(manager, because);
            foreach (GrantedLease lease in (await manager.ReadAsync()).Leases.Where(l => l.Shared is null))
                await manager.ReleaseAsync(lease.Id);
            await manager.ClearAsync();
            machine.Describe().Should().Equal(["0: 1g.5gb at 6:1"], because);
        }

        Directory.Delete(folder, recursive: true);
    }

    private static string Copy(string folder)
    {
        string copy = Directory.CreateTempSubdirectory("nvml-mig-death-").FullName;
        foreach (string file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
        {
            string to = Path.Combine(copy, Path.GetRelativePath(folder, file));
            Directory.CreateDirectory(
                Path.GetDirectoryName(to)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            File.Copy(file, to);
        }

        return copy;
    }
}
