using System.Text.Json;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// Older drivers: fewer functions, profiles and struct versions. R470's library in processes of their own, since a process has one NVML.
/// </summary>
public class OldDriverTests
{
    [Fact]
    public void On_r470_profile_names_are_derived_from_numbers()
    {
        using Nvmig nvmig = OnLibrary(Nvmig.Stub470, "A100-SXM4-40GB");

        JsonElement profiles = nvmig.RunBare("profiles", "--json").Json.GetProperty("gpus")[0].GetProperty("profiles");
        Nvmig.Answer created = nvmig.RunBare("create", "3g.20gb,1g.5gb+me", "--enable-mig", "--json");

        nvmig.RunBare("devices", "--json").Json.GetProperty("driverVersion").GetString().Should().Be("470.256.02");
        profiles.EnumerateArray().Select(p => p.GetProperty("name").GetString())
            .Should().Equal(["1g.5gb", "1g.5gb+me", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb"], "1g.10gb came with R525");
        created.ExitCode.Should().Be(0, created.Error);
        created.Json.GetProperty("gpus")[0].GetProperty("created").EnumerateArray()
            .Select(i => (i.GetProperty("profile").GetString(), i.GetProperty("computeInstances")[0].GetProperty("profile").GetString()))
            .Should().Equal(("3g.20gb", "3g.20gb"), ("1g.5gb+me", "1g.5gb"));
    }

    [Fact]
    public void A_driver_without_our_struct_versions_is_asked_without()
    {
        using Nvmig versioned = OnLibrary(Nvmig.Stub470, "A100-SXM4-40GB");
        using Nvmig nvmig = OnLibrary(Nvmig.Stub, "A100-SXM4-40GB");
        nvmig.Environment["NVML_STUB_DRIVER"] = "470";

        nvmig.RunBare("profiles", "--json").Out.Should().Be(versioned.RunBare("profiles", "--json").Out);
        Nvmig.Answer created = nvmig.RunBare("create", "3g.20gb", "--enable-mig", "--json");

        created.ExitCode.Should().Be(0, created.Error);
        created.Json.GetProperty("gpus")[0].GetProperty("created")[0].GetProperty("computeInstances")[0].GetProperty("profile").GetString()
            .Should().Be("3g.20gb");
    }

    [Fact]
    public void Before_r510_no_3g_stands_beside_a_4g()
    {
        using Nvmig nvmig = OnLibrary(Nvmig.Stub470, "A100-SXM4-40GB");
        nvmig.RunBare("create", "4g.20gb,3g.20gb", "--enable-mig").ExitCode.Should().Be(23);
    }

    [Theory]
    [InlineData(SimulatedDriver.R470, "470.256.02", 6)]
    [InlineData(SimulatedDriver.R525, "525.147.05", 7)]
    [InlineData(SimulatedDriver.R535, "535.216.03", 7)]
    [InlineData(SimulatedDriver.R550, "550.163.01", 7)]
    [InlineData(SimulatedDriver.R580, "580.159.04", 7)]
    public void Every_branch_is_enumerated_to_where_its_profiles_end(SimulatedDriver branch, string version, int profiles)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", driver: branch);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);

        session.GetDriverVersion().Should().Be(version);
        session.Devices[0].GetGpuInstanceProfiles().Should().HaveCount(profiles);
    }

    [Fact]
    public void The_next_machine_has_the_usual_driver_again()
    {
        NvmlSimulator.Start("FUTURE", driver: SimulatedDriver.Future).Dispose();

        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        machine.Session.GetDriverVersion().Should().Be("580.159.04");
    }

    /// <summary>By its id it cannot be had either: R550 knows no profile number of the RTX PRO's graphics profiles.</summary>
    [Fact]
    public unsafe void An_older_driver_does_not_know_the_ids_of_newer_profiles()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("RTX-PRO-6000-Server", driver: SimulatedDriver.R550);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[0].EnableMig();
        const uint graphics = 47;
        nvmlDevice_t gpu;
        nvmlGpuInstance_t instance;
        uint count;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        LibNvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, graphics, null, &count)
            .Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, graphics, &count).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceCreateGpuInstance(gpu, graphics, &instance).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    [Fact]
    public void An_unknown_branch_is_refused()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_STUB_DRIVER"] = "999";

        Nvmig.Answer answer = nvmig.Run("devices");

        answer.ExitCode.Should().Be(2);
        answer.Complaints.Should().Equal("nvmig: Simulated machine: unknown driver '999'; there are: 470, 525, 535, 550, 580, future.");
    }

    private static Nvmig OnLibrary(string library, string gpus)
    {
        Nvmig nvmig = new(gpus);
        nvmig.Environment["NVML_LIBRARY_PATH"] = library;
        nvmig.Environment["NVML_STUB_GPUS"] = gpus;
        return nvmig;
    }
}
