namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// The cost of a command: every native call that it makes, from NVML's initialisation to its end, on a machine of eight A100.
/// </summary>
public class CommandCostTests
{
    private const int Gpus = 8;

    /// <summary>nvmlInit and nvmlShutdown.</summary>
    private const int Session = 2;

    /// <summary>How many GPUs there are.</summary>
    private const int Count = 1;

    /// <summary>Handle, UUID and MIG mode.</summary>
    private const int Identity = 3;

    /// <summary>17 profile numbers, and the refusal behind the last.</summary>
    private const int Profiles = 18;

    /// <summary>Placements and remaining capacity are asked of each of the 7 profiles.</summary>
    private const int EachProfile = 7;

    /// <summary>Name and PCI bus id, of each GPU.</summary>
    private const int Description = 2;

    [Fact]
    public void List_on_a_full_machine()
    {
        const int gpuInstances = 7 + 7; // a list for each profile, and what each instance is
        const int computeProfiles = 9 + 1 + 1; // 9 numbers, the refusal behind the last, and whether the instance asked is still there
        const int computeInstances = 7 * 2; // the list and the one in it
        const int migDevices = 1 + (7 * 5); // how many; handle, two ids, UUID of each, and whether it is where it was

        Calls(full: true, "list").Should().Be(
            Session + Count
                + (Gpus * (Identity + Profiles + EachProfile + Description + gpuInstances + computeProfiles + computeInstances
                + migDevices)));
    }

    [Fact]
    public void List_on_an_empty_machine() =>
        Calls(full: false, "list")
            .Should().Be(Session + Count + (Gpus * (Identity + Profiles + EachProfile + Description + 7)), "a list for each profile");

    [Fact]
    public void Devices() =>
        Calls(full: true, "devices")
            .Should().Be(Session + Count + (Gpus * (Identity + Description)) + 2, "the versions of driver and NVML");

    [Fact]
    public void ProfilesCommand() => Calls(full: true, "profiles")
        .Should().Be(Session + Count + (Gpus * (Identity + Profiles + EachProfile)));

    private static int Calls(bool full, string command)
    {
        using Nvmig nvmig = new($"A100-SXM4-40GB*{Gpus}");
        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath))
        {
            foreach (GpuDevice gpu in session.Devices)
            {
                gpu.EnableMig();
                for (int i = 0; full && i < 7; i++)
                    gpu.CreateGpuInstance(gpu.GetGpuInstanceProfile("1g.5gb")).CreateComputeInstance();
            }
        }

        string trace = Path.Combine(nvmig.Folder, "trace");
        nvmig.Environment["NVML_STUB_TRACE"] = trace;
        nvmig.Run(command, "--json").ExitCode.Should().Be(0);
        return File.ReadLines(trace).Count();
    }
}
