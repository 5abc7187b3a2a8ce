using System.Globalization;

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
                + (Gpus * (Identity + Profiles + Description + gpuInstances + computeProfiles + computeInstances + migDevices)));
    }

    [Fact]
    public void List_on_an_empty_machine() =>
        Calls(full: false, "list")
            .Should().Be(Session + Count + (Gpus * (Identity + Profiles + Description + EachProfile)), "a list for each profile");

    [Fact]
    public void List_with_mig_disabled_reads_the_mode_alone()
    {
        using Nvmig nvmig = new($"H200*{Gpus}");

        Trace(nvmig, "list").Should().HaveCount(Session + Count + (Gpus * (Identity + Description)));
    }

    [Fact]
    public void Drawing_needs_the_placements_of_one_profile()
    {
        using Nvmig nvmig = new("H200");
        nvmig.Run("create", "1g.18gb*7", "--enable-mig").ExitCode.Should().Be(0);

        Trace(nvmig, "list").Count(call => call.StartsWith("nvmlDeviceGetGpuInstancePossiblePlacements", StringComparison.Ordinal))
            .Should().Be(1);
    }

    [Fact]
    public void Placements() => Calls(full: true, "placements")
        .Should().Be(Session + Count + (Gpus * (Identity + Profiles + EachProfile)));

    [Theory]
    [InlineData("devices")]
    [InlineData("list")]
    [InlineData("profiles")]
    [InlineData("placements")]
    public void Gpus_are_read_one_after_the_other(string command)
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3");
        nvmig.Run("create", "3g.20gb", "--enable-mig").ExitCode.Should().Be(0);

        int[] gpus = [.. Trace(nvmig, command)
            .Select(call => call.Split(' ').FirstOrDefault(part => part.StartsWith("gpu=", StringComparison.Ordinal)))
            .OfType<string>()
            .Select(gpu => int.TryParse(gpu["gpu=".Length..], CultureInfo.InvariantCulture, out int index) ? index : -1)
            .Where(index => index >= 0)];

        gpus.Should().BeInAscendingOrder().And.Contain([0, 1, 2]);
    }

    [Fact]
    public void Destroy_all_lists_once()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "3g.20gb,1g.5gb", "--enable-mig").ExitCode.Should().Be(0);

        string[] trace = Trace(nvmig, "destroy", "--all");

        trace.Count(call => call.StartsWith("nvmlDeviceGetGpuInstances ", StringComparison.Ordinal)).Should().Be(EachProfile);
        trace.Should().NotContain(call => call.StartsWith("nvmlDeviceGetMigDeviceHandleByIndex", StringComparison.Ordinal));
    }

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

        return Trace(nvmig, command, "--json").Length;
    }

    private static string[] Trace(Nvmig nvmig, params string[] command)
    {
        string trace = Path.Combine(nvmig.Folder, "trace");
        nvmig.Environment["NVML_STUB_TRACE"] = trace;
        nvmig.Run(command).ExitCode.Should().Be(0);
        return File.ReadAllLines(trace);
    }
}
