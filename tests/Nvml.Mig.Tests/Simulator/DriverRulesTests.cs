using Nvml.Mig.Interop;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>The simulated machine against what real drivers did. Sources: NVIDIA's MIG user guide, sessions on real boards.</summary>
public class DriverRulesTests
{
    public static TheoryData<string, string, string> CreationOrders => new()
    {
        // The board, what is created, and where the driver put it: id (start:size).
        { "A100-SXM4-40GB", "19,14,5", "13 (6:1), 5 (4:2), 1 (0:4)" },
        { "A100-SXM4-40GB", "9,19,14,19", "2 (4:4), 7 (0:1), 4 (2:2), 8 (1:1)" },
        { "A100-SXM4-40GB", "14,19,19,19,19,19", "5 (4:2), 13 (6:1), 7 (0:1), 8 (1:1), 9 (2:1), 10 (3:1)" },
        { "A100-SXM4-40GB", "19,19,19,19,19,19,19", "13 (6:1), 11 (4:1), 12 (5:1), 7 (0:1), 8 (1:1), 9 (2:1), 10 (3:1)" },
        { "A100-SXM4-40GB", "14,14,14", "5 (4:2), 3 (0:2), 4 (2:2)" },
        { "A100-SXM4-40GB", "15,15,15,15", "5 (4:2), 3 (0:2), 4 (2:2), 6 (6:2)" },
        { "A100-SXM4-40GB", "9,9", "2 (4:4), 1 (0:4)" },
        { "A100-SXM4-40GB", "9,19,19,19", "2 (4:4), 7 (0:1), 8 (1:1), 9 (2:1)" },
        { "A100-SXM4-40GB", "5,9", "1 (0:4), 2 (4:4)" },
        { "A100-SXM4-40GB", "0", "0 (0:8)" },
        { "A100-SXM4-40GB", "20", "13 (6:1)" },
        { "A100-SXM4-40GB+swapped", "5,14,19", "2 (0:4), 3 (4:2), 9 (6:1)" },
        { "A100-SXM4-80GB+swapped", "9,5", "1 (4:4), 2 (0:4)" },
        { "A100-SXM4-80GB+swapped", "14,14,19", "3 (4:2), 5 (0:2), 9 (6:1)" },
        { "A30", "14,14,5", "3 (0:1), 4 (1:1), 2 (2:2)" },
        { "H100-SXM5-80GB", "15", "5 (4:2)" },
        { "RTX-PRO-6000-Server", "14,14,14,14", "3 (0:3), 4 (3:3), 5 (6:3), 6 (9:3)" },
        { "RTX-PRO-6000-Server", "5,14,14", "1 (0:6), 5 (6:3), 6 (9:3)" },
    };

    [Theory]
    [MemberData(nameof(CreationOrders))]
    public void Instances_go_where_the_driver_puts_them(string board, string profiles, string expected)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(board);

        IEnumerable<GpuInstance> created = [.. profiles.Split(',').Select(profile => machine.Create(profile))];

        string.Join(", ", created.Select(i => $"{i.Id} ({i.Placement})")).Should().Be(expected);
    }

    [Fact]
    public void Small_instances_first_leave_no_room_for_a_large_one()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");
        foreach (string profile in (string[])["19", "19", "14"])
            machine.Create(profile);

        machine.Gpu.GetGpuInstances().Select(i => i.Id).Should().Equal(3, 11, 13);
        FluentActions.Invoking(() => machine.Create("9")).Should().Throw<NvmlInsufficientResourcesException>();
    }

    [Theory]
    [InlineData("5", "19:3 20:1 15:2 14:1 9:1 5:0 0:0")]
    [InlineData("5,14", "19:1 20:1 15:1 14:0 9:0 5:0 0:0")]
    [InlineData("5,14,19", "19:0 20:0 15:0 14:0 9:0 5:0 0:0")]
    [InlineData("20", "19:6 20:0 15:3 14:3 9:1 5:1 0:0")]
    public void The_remaining_capacity_is_what_the_driver_says(string created, string expected)
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");
        foreach (string profile in created.Split(','))
            machine.Create(profile);

        IEnumerable<string> remaining = machine.Gpu.GetGpuInstanceProfiles().Select(p => $"{p.Id}:{machine.Gpu.GetRemainingCapacity(p)}");

        string.Join(' ', remaining).Should().Be(expected);
    }

    [Theory]
    [InlineData("A30", "1g.6gb+me", "2g.12gb+me")]
    [InlineData("RTX-PRO-6000-Server", "1g.24gb+me.all", "1g.24gb")]
    [InlineData("RTX-PRO-6000-Server", "2g.48gb", "2g.48gb+me.all")]
    public void Engines_are_there_once(string board, string first, string second)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(board);
        machine.Create(first);

        machine.Gpu.GetRemainingCapacity(machine.Gpu.GetGpuInstanceProfile(second)).Should().Be(0);
        FluentActions.Invoking(() => machine.Create(second)).Should().Throw<NvmlInsufficientResourcesException>();
    }

    public static TheoryData<string> Models =>
        new(NvmlSimulator.Models.Where(m => m is { IsSimulated: true, HasMig: true }).Select(m => m.Key));

    [Theory]
    [MemberData(nameof(Models))]
    public void Every_profile_of_every_model_fits_at_each_place(string model)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        machine.Gpu.GetGpuInstanceProfiles().Should().NotBeEmpty();
        foreach (GpuInstanceProfile profile in machine.Gpu.GetGpuInstanceProfiles())
        {
            foreach (Placement place in machine.Gpu.GetPossiblePlacements(profile))
            {
                GpuInstance instance = machine.Gpu.CreateGpuInstance(profile, place);
                instance.Placement.Should().Be(place);
                ComputeInstance whole = instance.CreateComputeInstance();
                whole.Profile.MultiprocessorCount.Should().Be(profile.MultiprocessorCount);
                whole.GetMigDevice().GetName().Should().Be($"{machine.Gpu.Name} MIG {profile.Name.Split('+')[0]}");
                whole.Destroy();
                instance.Destroy();
            }
        }
    }

    [Fact]
    public void A_gpu_without_mig_says_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("T4", migEnabled: false);

        machine.Gpu.IsMigCapable().Should().BeFalse();
        machine.Gpu.GetGpuInstanceProfiles().Should().BeEmpty();
        machine.Gpu.GetMigDevices().Should().BeEmpty();
        machine.Gpu.Invoking(gpu => gpu.GetMigMode())
            .Should().Throw<NvmlNotSupportedException>().WithMessage("GPU 0 (GPU-*) cannot be divided: it has no MIG mode*");
        machine.Gpu.Invoking(gpu => gpu.EnableMig()).Should().Throw<NvmlNotSupportedException>();
    }

    [Fact]
    public void An_h200_offers_what_a_real_one_does()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);

        // nvidia-smi mig -lgip and -lgipp on an H200, driver 580.159.04
        string[] measured =
        [
            "0 19 1g.18gb 7 16384 False 16 1 1 0 1 0 {0,1,2,3,4,5,6}:1",
            "7 20 1g.18gb+me 1 16384 False 16 1 1 0 1 1 {0,1,2,3,4,5,6}:1",
            "9 15 1g.35gb 4 33280 False 26 1 1 0 1 0 {0,2,4,6}:2",
            "1 14 2g.35gb 3 33280 False 32 2 2 0 2 0 {0,2,4}:2",
            "2 9 3g.71gb 2 71424 False 60 3 3 0 3 0 {0,4}:4",
            "3 5 4g.71gb 1 71424 False 64 4 4 0 4 0 {0}:4",
            "4 0 7g.141gb 1 143360 False 132 8 7 0 7 1 {0}:8",
        ];
        machine.Gpu.GetGpuInstanceProfiles().Select(p =>
        {
            IReadOnlyList<Placement> places = machine.Gpu.GetPossiblePlacements(p);
            return $"{p.Number} {p.Id} {p.Name} {machine.Gpu.GetRemainingCapacity(p)} {p.MemoryMiB} {p.SupportsP2P} "
                + $"{p.MultiprocessorCount} "
                + $"{p.CopyEngineCount} {p.DecoderCount} {p.EncoderCount} {p.JpegCount} {p.OfaCount} "
                + $"{{{string.Join(',', places.Select(x => x.Start))}}}:{places[0].Size}";
        }).Should().Equal(measured);
    }

    [Fact]
    public void Mig_devices_are_numbered_by_id_and_their_numbers_shift()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb", new Placement(0, 1)).CreateComputeInstance();
        string[] before = [.. machine.Gpu.GetMigDevices().Select(d => d.Uuid)];
        machine.Create("3g.20gb").CreateComputeInstance();

        machine.Gpu.GetMigDevices().Select(d => d.GpuInstanceId).Should().Equal(2, 7);
        machine.Gpu.GetMigDevices()[1].Uuid.Should().Be(before[0]);
    }

    [Fact]
    public void The_first_compute_instance_has_the_uuid_of_the_whole()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstance whole = instance.CreateComputeInstance();
        string uuid = whole.GetMigDevice().Uuid;
        whole.Destroy();

        instance.CreateComputeInstance(instance.GetComputeInstanceProfiles()[0]).GetMigDevice().Uuid.Should().Be(uuid);
        instance.CreateComputeInstance(instance.GetComputeInstanceProfiles()[0]).GetMigDevice().Uuid.Should().NotBe(uuid);
    }

    /// <summary>The kernel module has 4 slots for a 3g: one more than compute slices.</summary>
    [Fact]
    public void On_hopper_compute_instances_lie_in_aligned_slots()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance half = machine.Create("3g.40gb");

        Placements(half, "1c.3g.40gb").Should().Equal("0:1", "1:1", "2:1", "3:1");
        Placements(half, "2c.3g.40gb").Should().Equal("0:2", "2:2");
        Placements(half, "3g.40gb").Should().Equal("0:4");
        half.CreateComputeInstance().Placement.ToString().Should().Be("0:4", "nvidia-smi -lci prints it on an H100");
    }

    [Fact]
    public void On_hopper_the_slices_limit_what_the_slots_would_hold()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance whole = machine.Create("7g.80gb");
        ComputeInstanceProfile Profile(string name) => whole.GetComputeInstanceProfiles().First(p => p.Name == name);
        Placements(whole, "3c.7g.80gb").Should().Equal("0:4", "4:4");
        Placements(whole, "7g.80gb").Should().Equal("0:8");

        whole.CreateComputeInstance(Profile("3c.7g.80gb")).Placement.ToString().Should().Be("0:4");
        whole.CreateComputeInstance(Profile("3c.7g.80gb")).Placement.ToString().Should().Be("4:4");

        whole.GetRemainingCapacity(Profile("1c.7g.80gb")).Should().Be(0);
        whole.Invoking(w => w.CreateComputeInstance(Profile("1c.7g.80gb"))).Should().Throw<NvmlInsufficientResourcesException>();
    }

    [Fact]
    public void On_ampere_compute_instances_cover_as_many_slots_as_slices()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");
        GpuInstance half = machine.Create("3g.20gb");

        half.CreateComputeInstance().Placement.ToString().Should().Be("0:3");
    }

    [Theory]
    [InlineData("A100-SXM4-40GB", NvmlReturnCode.InsufficientResources)]
    [InlineData("H100-SXM5-80GB", NvmlReturnCode.InvalidArgument)]
    public void A_place_outside_the_gpu_instance_is_refused(string model, NvmlReturnCode code)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(model);
        GpuInstance half = machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("9"));
        ComputeInstanceProfile two = half.GetComputeInstanceProfiles().First(p => p.Id == 1);

        half.Invoking(h => h.CreateComputeInstance(two, new Placement(3, 2))).Should().Throw<NvmlException>().Which.Code.Should().Be(code);
    }

    [Fact]
    public void On_hopper_a_1g_with_double_memory_has_two_compute_profiles()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H100-SXM5-80GB");
        GpuInstance wide = machine.Create("1g.20gb");

        wide.GetComputeInstanceProfiles().Select(p => p.Id).Should().Equal(0, 7);
        ComputeInstance byDefault = wide.CreateComputeInstance();
        byDefault.Profile.Id.Should().Be(7);
        byDefault.Placement.ToString().Should().Be("0:2");
        byDefault.Destroy();
        wide.CreateComputeInstance(wide.GetComputeInstanceProfiles()[0]).Placement.ToString().Should().Be("0:1");
    }

    private static IEnumerable<string> Placements(GpuInstance instance, string profile) =>
        instance.GetPossiblePlacements(instance.GetComputeInstanceProfiles().First(p => p.Name == profile)).Select(p => p.ToString());

    /// <summary>Answers of an H200 with driver 580.159.04 with MIG disabled.</summary>
    [Fact]
    public unsafe void With_mig_disabled_native_calls_answer_as_measured()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlDevice_t gpu;
        nvmlDevice_t none;
        nvmlGpuInstance_t instance;
        uint value;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        LibNvml.nvmlDeviceGetHandleByIndex_v2(99, &none).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceGetMaxMigDeviceCount(gpu, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(0);
        LibNvml.nvmlDeviceIsMigDeviceHandle(gpu, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(0);
        LibNvml.nvmlDeviceGetGpuInstanceId(gpu, &value).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceGetComputeInstanceId(gpu, &value).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0, &none).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_FOUND);
        LibNvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 99, &none).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_FOUND);
        LibNvml.nvmlDeviceGetGpuInstanceById(gpu, 0, &instance).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_FOUND);
        LibNvml.nvmlDeviceGetGpuInstances(gpu, 19, null, &value).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceGetGpuInstances(gpu, 19, &instance, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(0);
        LibNvml.nvmlDeviceGetGpuInstanceRemainingCapacity(gpu, 77, &value).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
        LibNvml.nvmlDeviceCreateGpuInstance(gpu, 19, &instance).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        byte* name = stackalloc byte[2];
        LibNvml.nvmlDeviceGetName(gpu, name, 2).Should().Be(nvmlReturn_t.NVML_ERROR_INSUFFICIENT_SIZE);
        LibNvml.nvmlDeviceGetName(default, name, 2).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    [Fact]
    public unsafe void The_quirks_of_driver_580_are_there()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200", migEnabled: false);
        nvmlDevice_t gpu;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(0, &gpu);

        // Version 3 has its name where version 2 would, and a wrong one; the version member comes back as 0.
        nvmlGpuInstanceProfileInfo_v3_t v3 = new() { version = nvmlGpuInstanceProfileInfo_v3_t.Version };
        LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 0, (nvmlGpuInstanceProfileInfo_v2_t*)&v3).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        v3.version.Should().Be(0);
        v3.name[0].Should().Be(0);
        new string((sbyte*)&v3 + 56).Should().Be("MIG 7g.0gb");
        nvmlGpuInstanceProfileInfo_v2_t v2 = new() { version = nvmlGpuInstanceProfileInfo_v2_t.Version };
        LibNvml.nvmlDeviceGetGpuInstanceProfileInfoByIdV(gpu, 19, &v2).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        new string((sbyte*)v2.name).Should().Be("MIG 1g.18gb");
        LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 0, &v2)
            .Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT, "the version was cleared");

        // All placements are written, whatever room the caller says there is.
        nvmlGpuInstancePlacement_t* places = stackalloc nvmlGpuInstancePlacement_t[16];
        uint count = 2;
        LibNvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, 19, places, &count).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        count.Should().Be(7);
        places[6].start.Should().Be(6);

        // Numbers that other GPUs have, and numbers that this driver does not know.
        v2.version = nvmlGpuInstanceProfileInfo_v2_t.Version;
        LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 16, &v2).Should().Be(nvmlReturn_t.NVML_ERROR_NOT_SUPPORTED);
        LibNvml.nvmlDeviceGetGpuInstanceProfileInfoV(gpu, 17, &v2).Should().Be(nvmlReturn_t.NVML_ERROR_INVALID_ARGUMENT);
    }

    [Fact]
    public unsafe void Compute_instances_name_the_gpu_as_their_device_as_the_header_says()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2");
        machine.Session.Devices[1].CreateGpuInstance(machine.Session.Devices[1].GetGpuInstanceProfile("9")).CreateComputeInstance();
        nvmlDevice_t gpu;
        nvmlDevice_t mig;
        nvmlDevice_t parent;
        nvmlGpuInstance_t instance;
        nvmlComputeInstance_t compute;
        nvmlComputeInstanceInfo_t info;
        uint value;
        LibNvml.nvmlDeviceGetHandleByIndex_v2(1, &gpu);
        LibNvml.nvmlDeviceGetGpuInstanceById(gpu, 2, &instance).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlGpuInstanceGetComputeInstanceById(instance, 0, &compute).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        LibNvml.nvmlComputeInstanceGetInfo_v2(compute, &info).Should().Be(nvmlReturn_t.NVML_SUCCESS);

        info.device.Should().Be(gpu);
        info.gpuInstance.Should().Be(instance);
        LibNvml.nvmlDeviceGetMigDeviceHandleByIndex(gpu, 0, &mig).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        LibNvml.nvmlDeviceIsMigDeviceHandle(mig, &value).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        value.Should().Be(1);
        LibNvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(mig, &parent).Should().Be(nvmlReturn_t.NVML_SUCCESS);
        parent.Should().Be(gpu);
    }
}
