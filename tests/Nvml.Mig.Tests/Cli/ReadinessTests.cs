using Nvml.Mig.Cli.Doctor;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The readiness that the doctor reports, compared with the answers of the simulated driver.</summary>
public class ReadinessTests
{
    private static readonly string[] Models = ["A100-SXM4-40GB", "H200", "A100-SXM4-40GB+vm", "H200+vm"];

    private static readonly Dictionary<string, Action<SimulatedGpu>> Situations = new()
    {
        ["MIG disabled"] = _ => { },
        ["MIG disabled, process on the whole GPU"] = machine => machine.Simulator.StartProcess(0, 4711, "train"),
        ["idle"] = EnableMig,
        ["process on the whole GPU"] = machine =>
        {
            EnableMig(machine);
            machine.Simulator.StartProcess(0, 4711, "train");
        },
        ["idle instances"] = machine => CreateInstance(machine),
        ["GPU instance without compute instance"] = machine =>
        {
            EnableMig(machine);
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfiles()[0]);
        },
        ["process on a MIG device"] = machine => machine.Simulator.StartProcess(CreateInstance(machine), 4711, "train"),
        ["full"] = machine =>
        {
            EnableMig(machine);
            machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfiles()[^1]);
        },
        ["pending mode, process on the whole GPU"] = machine => MakePending(machine),
        ["pending mode"] = machine => MakePending(machine).Dispose(),
    };

    public static TheoryData<string, string, string> Cases
    {
        get
        {
            TheoryData<string, string, string> cases = [];
            foreach (string model in Models)
            {
                foreach (string situation in Situations.Keys)
                {
                    cases.Add(model, situation, "mode");
                    cases.Add(model, situation, "create");
                    cases.Add(model, situation, "destroy");
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_driver_does_what_the_doctor_reports(string model, string situation, string change)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model, migEnabled: false);
        Situations[situation](machine);
        GpuReport report = Diagnosis.Of(null, null, [GpuExamination.Examine(machine.Gpu)], null).Gpus[0];

        (ChangeReadiness said, Func<GpuDevice, bool> act) = change switch
        {
            "mode" => (report.Readiness!.ModeChange, ChangeMode),
            "create" => (report.Readiness!.Create, Create),
            _ => (report.Readiness!.Destroy, (Func<GpuDevice, bool>)Destroy),
        };

        said.Ready.Should().Be(Succeeds(() => act(machine.Gpu)), string.Join("; ", said.Obstacles));
    }

    private static void EnableMig(SimulatedGpu machine)
    {
        if (machine.Gpu.EnableMig().Outcome == MigModeOutcome.Pending)
            machine.Simulator.Reboot();
        machine.Gpu.GetMigMode().Current.Should().BeTrue();
    }

    private static MigDevice CreateInstance(SimulatedGpu machine)
    {
        EnableMig(machine);
        return machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfiles()[0]).CreateComputeInstance().GetMigDevice();
    }

    /// <summary>On Ampere enabling waits for a process, on Hopper disabling; returned is its end.</summary>
    private static IDisposable MakePending(SimulatedGpu machine)
    {
        bool enable = machine.Gpu.Architecture == GpuArchitecture.Ampere;
        if (!enable)
            EnableMig(machine);
        IDisposable process = machine.Simulator.StartProcess(0, 4711, "train");
        (enable ? machine.Gpu.EnableMig() : machine.Gpu.DisableMig()).Outcome.Should().Be(MigModeOutcome.Pending);
        return process;
    }

    private static bool Succeeds(Func<bool> act)
    {
        try
        {
            return act();
        }
        catch (NvmlException)
        {
            return false;
        }
    }

    private static bool ChangeMode(GpuDevice gpu) =>
        (gpu.GetMigMode().Current ? gpu.DisableMig() : gpu.EnableMig()).Outcome == MigModeOutcome.Activated;

    private static bool Create(GpuDevice gpu)
    {
        gpu.CreateGpuInstance(gpu.GetGpuInstanceProfiles()[0]);
        return true;
    }

    private static bool Destroy(GpuDevice gpu)
    {
        foreach (GpuInstance instance in gpu.GetGpuInstances())
        {
            foreach (ComputeInstance inside in instance.GetComputeInstances())
                inside.Destroy();
            instance.Destroy();
        }

        return true;
    }
}
