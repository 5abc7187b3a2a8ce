using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Tests.Cli;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Applying;

/// <summary>
/// nvmig is killed before and after each call that changes something. Then the same apply leads on, and on a copy of the machine, which
/// knows nothing of that, rollback leads back to the same UUIDs. What is in use survives both.
/// </summary>
public class ApplyDeathTests(ITestOutputHelper output)
{
    private static readonly Scenario[] Usual =
    [
        new("A100-SXM4-40GB", null, [], "3g.20gb,1g.5gb"),
        new("A100-SXM4-40GB", "5,19:4,19:5", [1], "9:0,19*2"),
        new("A100-SXM4-40GB", "5", [], "+9:0,-5"),
    ];

    private static readonly Scenario[] Long =
    [
        .. Usual,
        new("A100-SXM4-40GB", "19*7", [2], "19*3,14"),
        new("A100-SXM4-40GB", "9/1c/1c/1c,9/none", [1], "9/1c/1c,9"),
        new("A100-SXM4-40GB", "9,14,19", [], "+19"),
        new("H100-SXM5-80GB", "7g.80gb/3c/2c/2c", [], "3g.40gb/2c/1c,4g.40gb"),
        new("A100-SXM4-40GB*3", "9,19", [0], "9,14,19"),
        new("RTX-PRO-6000-Server", null, [], "1g.24gb+me,2g.48gb"),
    ];

    [Fact]
    public void Every_point_of_death()
    {
        int deaths = 0;
        foreach (Scenario scenario in LongTests.Wanted ? Long : Usual)
        {
            using TemporaryFolder folder = new();
            foreach ((string function, long calls) in ChangesOf(scenario, folder.File("counted")))
            {
                for (int nth = 1; nth <= calls; nth++)
                {
                    foreach (bool after in (bool[])[false, true])
                    {
                        deaths++;
                        Die(scenario, NvmlFault.Kill(function) with { Nth = nth, AfterEffect = after });
                    }
                }
            }
        }

        output.WriteLine($"{deaths} deaths");
        deaths.Should().BeGreaterThan(20);
    }

    private static void Die(Scenario scenario, NvmlFault fault)
    {
        string because = string.Create(CultureInfo.InvariantCulture, $"{scenario} with {fault}");
        using TemporaryFolder folder = new();
        string record = folder.File("record");
        string machineFile = folder.File("machine");
        string[] start;
        string[] inUse;
        using (ApplyMachine machine = ApplyMachine.Start(scenario, folder.File("start"), record))
        {
            start = machine.Describe();
            inUse = [.. machine.InUse];
            File.Copy(folder.File("start"), machineFile); // with its processes, which end with this machine
        }

        Nvmig.Answer answer = Nvmig.Start(
            Nvmig.Program,
            ["apply", "--simulate", scenario.Gpus, "--record-folder", record, "--", scenario.Target!],
            new Dictionary<string, string?> { ["NVML_STUB_STATE"] = machineFile, ["NVML_STUB_FAULTS"] = fault.ToString() });
        answer.ExitCode.Should().Be(128 + 9, because + answer.Error);
        File.Copy(machineFile, folder.File("other"));
        CopyFolder(record, folder.File("other record"));

        using (ApplyMachine machine = ApplyMachine.Start(scenario.Gpus, machineFile, record))
        {
            ApplyResult result = machine.Apply(scenario.Target);
            result.IsSuccess.Should().BeTrue(because);
            foreach ((GpuSnapshot truth, GpuApplyResult gpu) in machine.Truth().Zip(result.Gpus))
                truth.GetDifferencesFrom(gpu.Goal!).Should().BeEmpty(because);
            ShouldHave(machine, inUse, because);
            // The record of the first attempt counts: it leads back to before that.
            machine.Rollback().IsSuccess.Should().BeTrue(because);
            machine.Describe().Should().Equal(start, because);
        }

        using (ApplyMachine machine = ApplyMachine.Start(scenario.Gpus, folder.File("other"), folder.File("other record")))
        {
            machine.Rollback().IsSuccess.Should().BeTrue(because);
            machine.Describe().Should().Equal(start, because);
            ShouldHave(machine, inUse, because);
        }
    }

    private static void ShouldHave(ApplyMachine machine, string[] uuids, string because) =>
        uuids.Should().BeSubsetOf(machine.Session.Devices.SelectMany(g => g.GetMigDevices()).Select(d => d.Uuid), because);

    private static List<(string Function, long Calls)> ChangesOf(Scenario scenario, string recordFolder)
    {
        using ApplyMachine machine = ApplyMachine.Start(scenario, recordFolder: recordFolder);
        Dictionary<string, long> before = ApplyMachine.Mutating.ToDictionary(f => f, machine.Simulator.GetCallCount);
        machine.Apply(scenario.Target).IsSuccess.Should().BeTrue(scenario.ToString());
        return [.. ApplyMachine.Mutating.Select(f => (f, machine.Simulator.GetCallCount(f) - before[f])).Where(f => f.Item2 > 0)];
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }
}
