using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Leasing.Tests.Leases;

namespace Nvml.Mig.Leasing.Tests.Mps;

public class MpsHistoryTests
{
    /// <summary>
    /// Never two programs whose requests together exceed the device, never a program let in without its caps, nothing left behind.
    /// </summary>
    [Fact]
    public async Task Whatever_dies_promises_hold()
    {
        // The long form takes hours; the variables make parts of it.
        int first = Number("NVMIG_MPS_SEED") ?? 1;
        int cases = Number("NVMIG_MPS_HISTORIES") ?? LongTests.Cases(60, 50_000);
        int admitted = 0;
        for (int seed = first; seed < first + cases; seed++)
        {
            using MpsHistory history = new(seed);
            try
            {
                await history.RunAsync(acts: 8);
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{e.Message}\n{history.Log}", e);
            }

            admitted += history.Admitted;
        }

        admitted.Should().BeGreaterThan(cases);
    }

    [Fact]
    public async Task A_supervisor_that_is_killed_leaves_nothing_behind()
    {
        Random random = new(1);
        for (int i = 0; i < LongTests.Cases(2, 500); i++)
        {
            using MpsMachine machine = new();
            using Process worker = LeaseWorker.Start(MpsWorker.Task, machine.Root, MpsMachine.Control, machine.Device);
            machine.WaitForFolder();
            await Task.Delay(random.Next(150));
            worker.Kill();
            await worker.WaitForExitAsync();

            MpsCaps caps = new(25, 4000);
            await machine.Supervisor.EnsureAsync(machine.Device, MpsHost.User, caps, restart: true);
            await machine.Supervisor.CheckAsync(machine.Device, MpsHost.User);
            MpsProgram program = machine.Run(9000);
            program.Multiprocessors.Should().Be(32);
            program.GotMiB.Should().Be(3840);
            program.End();
            await machine.Supervisor.StopAsync(machine.Device, force: true);

            machine.Processes.Should().BeEmpty("of kill {0}", i);
            machine.Supervisor.Devices.Should().BeEmpty();
        }
    }

    private static int? Number(string variable) =>
        Environment.GetEnvironmentVariable(variable) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : null;
}
