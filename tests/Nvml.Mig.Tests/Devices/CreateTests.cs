namespace Nvml.Mig.Tests.Devices;

public class CreateTests
{
    [Fact]
    public void A_gpu_is_divided_and_each_part_becomes_a_mig_device()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB");

        GpuInstance half = machine.Create("3g.20gb");
        MigDevice device = half.CreateComputeInstance().GetMigDevice();

        half.Id.Should().Be(2);
        half.Placement.Should().Be(new Placement(4, 4));
        device.GetName().Should().Be("NVIDIA A100-SXM4-40GB MIG 3g.20gb");
        device.Uuid.Should().MatchRegex("^MIG-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");
        machine.Gpu.GetMigDevices().Should().ContainSingle().Which.Uuid.Should().Be(device.Uuid);
    }

    [Fact]
    public void An_instance_can_be_placed_where_the_caller_wants_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        machine.Create("1g.5gb", new Placement(2, 1)).Placement.Should().Be(new Placement(2, 1));
    }

    [Fact]
    public void Ids_of_compute_instances_begin_at_zero()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance whole = machine.Create("4g.20gb");
        ComputeInstanceProfile[] profiles = [.. whole.GetComputeInstanceProfiles()];

        whole.CreateComputeInstance(profiles[0]);
        whole.CreateComputeInstance(profiles[1]);

        profiles.Select(p => p.Name).Should().Equal("1c.4g.20gb", "2c.4g.20gb", "4g.20gb");
        whole.GetComputeInstances().Select(c => (c.Id, c.Profile.Name, c.Placement)).Should().Equal(
            (0, "1c.4g.20gb", new Placement(0, 1)),
            (1, "2c.4g.20gb", new Placement(1, 2)));
        machine.Gpu.GetMigDevices().Select(d => d.GetName()).Should().Equal(
            "NVIDIA A100-SXM4-40GB MIG 1c.4g.20gb", "NVIDIA A100-SXM4-40GB MIG 2c.4g.20gb");
    }

    [Fact]
    public void A_compute_instance_can_be_placed_where_the_caller_wants_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance instance = machine.Create("3g.20gb");
        ComputeInstanceProfile oneSlice = instance.GetComputeInstanceProfiles()[0];

        instance.CreateComputeInstance(oneSlice, new Placement(2, 1)).Placement.Should().Be(new Placement(2, 1));

        instance.GetRemainingCapacity(oneSlice).Should().Be(2);
        FluentActions.Invoking(() => instance.CreateComputeInstance(oneSlice, new Placement(2, 1)))
            .Should().Throw<NvmlInUseException>().WithMessage("*1c.3g.20gb*at 2:1*Another compute instance has one of these slices.");
    }

    [Fact]
    public void The_same_place_gives_the_same_uuid_again()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance first = machine.Create("2g.10gb", new Placement(0, 2));
        ComputeInstance inside = first.CreateComputeInstance();
        string uuid = inside.GetMigDevice().Uuid;
        inside.Destroy();
        first.Destroy();
        machine.Create("1g.5gb", new Placement(6, 1)).CreateComputeInstance();

        GpuInstance again = machine.Create("2g.10gb", new Placement(0, 2));

        again.CreateComputeInstance().GetMigDevice().Uuid.Should().Be(uuid);
    }

    [Fact]
    public void Without_room_the_error_says_what_is_in_the_way()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb");
        machine.Create("1g.5gb");
        machine.Create("2g.10gb");

        FluentActions.Invoking(() => machine.Create("3g.20gb")).Should().Throw<NvmlInsufficientResourcesException>()
            .Which.Should().BeEquivalentTo(new
            {
                Code = NvmlReturnCode.InsufficientResources,
                Function = "nvmlDeviceCreateGpuInstance",
                IsTransient = false,
                Message = $"Cannot create a GPU instance 3g.20gb (profile 9) on GPU 0 ({machine.Gpu.Uuid}): Insufficient Resources "
                    + "(NVML_ERROR_INSUFFICIENT_RESOURCES, 23, from nvmlDeviceCreateGpuInstance). Every place for it is taken: "
                    + "0:4 by 3 (2g.10gb at 0:2); 4:4 by 11 (1g.5gb at 4:1) and 13 (1g.5gb at 6:1). The order of creation decides "
                    + "where the driver puts instances: create large ones first, or name placements.",
            });
    }

    [Fact]
    public void A_place_that_is_taken_is_said_to_be()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb", new Placement(0, 1));

        FluentActions.Invoking(() => machine.Create("1g.5gb", new Placement(0, 1))).Should().Throw<NvmlInsufficientResourcesException>()
            .WithMessage("*create a GPU instance 1g.5gb (profile 19) at 0:1*Its place is taken: 0:1 by 7 (1g.5gb at 0:1). 6 more 1g.5gb "
                + "would fit elsewhere.");
    }

    [Fact]
    public void A_profile_of_another_gpu_is_not_taken_for_one_of_this()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2,H200");
        GpuInstanceProfile half = machine.Session.Devices[0].GetGpuInstanceProfile("3g.20gb");

        machine.Session.Devices[1].CreateGpuInstance(half).Profile.Name.Should().Be("3g.20gb", "GPU 1 is alike");
        machine.Session.Devices[2].Invoking(h200 => h200.CreateGpuInstance(half)).Should().Throw<ArgumentException>()
            .WithMessage("3g.20gb (profile 9) is not a profile of GPU 2 (GPU-*): take profiles from the GPU that you use them on.*");
        machine.Session.Devices[2].GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void A_profile_at_its_limit_says_so()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        machine.Create("1g.5gb+me");

        FluentActions.Invoking(() => machine.Create("1g.5gb+me")).Should().Throw<NvmlInsufficientResourcesException>()
            .WithMessage("*The GPU holds 1 of at most 1 1g.5gb+me already.");
    }

    [Fact]
    public void With_mig_disabled_the_error_says_to_enable_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        FluentActions.Invoking(() => machine.Create("1g.5gb")).Should().Throw<NvmlNotSupportedException>()
            .WithMessage("*(NVML_ERROR_NOT_SUPPORTED, 3, from nvmlDeviceCreateGpuInstance). MIG mode must be enabled first.");
    }

    [Theory]
    [InlineData("9")]
    [InlineData("3g.20gb")]
    [InlineData("3G.20GB")]
    [InlineData("MIG 3g.20gb")]
    public void Profiles_are_found_by_name_and_by_id(string name)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);

        machine.Gpu.GetGpuInstanceProfile(name).Id.Should().Be(9);
    }

    [Fact]
    public void An_unknown_profile_is_answered_with_those_that_there_are()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        FluentActions.Invoking(() => machine.Create("3g.40gb")).Should().Throw<NvmlException>()
            .WithMessage("*has no GPU instance profile '3g.40gb'*1g.5gb (19), 1g.5gb+me (20), 1g.10gb (15), 2g.10gb (14), 3g.20gb (9), "
                + "4g.20gb (5), 7g.40gb (0).")
            .Which.Code.Should().Be(NvmlReturnCode.InvalidArgument);
    }

    [Fact]
    public void A_profile_is_found_by_the_name_that_another_driver_gives_it()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-80GB", migEnabled: false);

        machine.Gpu.GetGpuInstanceProfile("7g.79gb").Name.Should().Be("7g.80gb");
    }

    [Theory]
    [InlineData("1c.3g.20gb")]
    [InlineData("MIG 1C.3G.20GB")]
    [InlineData("1c")]
    [InlineData("0")]
    public void A_compute_instance_profile_is_found_by_name_and_by_id(string name)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();

        machine.Create("3g.20gb").GetComputeInstanceProfile(name).Name.Should().Be("1c.3g.20gb");
    }

    [Fact]
    public void A_media_profile_is_found_with_and_without_its_attribute()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance media = machine.Create("1g.5gb+me");

        media.GetComputeInstanceProfile("1g.5gb+me").Id.Should().Be(0);
        media.GetComputeInstanceProfile("1g.5gb").Id.Should().Be(0);
    }

    [Theory]
    [InlineData("4c")]
    [InlineData("1c.4g.20gb")]
    [InlineData("3g.20gb+me")]
    [InlineData("3g.20g")]
    [InlineData("99999999999")]
    public void An_unknown_compute_instance_profile_lists_the_known_ones(string name)
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        GpuInstance half = machine.Create("3g.20gb");

        half.Invoking(h => h.GetComputeInstanceProfile(name)).Should().Throw<NvmlException>()
            .WithMessage($"GPU instance 2 (3g.20gb at 4:4) of GPU 0 (GPU-*) has no compute instance profile '{name}' "
                + "(NVML_ERROR_INVALID_ARGUMENT, 2). It has: 1c.3g.20gb (0), 2c.3g.20gb (1), 3g.20gb (2).")
            .Which.Code.Should().Be(NvmlReturnCode.InvalidArgument);
    }

    [Fact]
    public void Two_profiles_of_one_name_are_told_apart_by_id()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");
        GpuInstance instance = machine.Create("2g.35gb");

        FluentActions.Invoking(() => instance.GetComputeInstanceProfile("1c.2g.35gb")).Should().Throw<NvmlException>()
            .WithMessage("*has 2 compute instance profiles '1c.2g.35gb' (NVML_ERROR_INVALID_ARGUMENT, 2). Choose by id: 0 (1c.2g.35gb, "
                + "16 SM), 7 (1c.2g.35gb, 26 SM).");
        instance.GetComputeInstanceProfile("7").MultiprocessorCount.Should().Be(26);
        instance.GetComputeInstanceProfile("0").MultiprocessorCount.Should().Be(16);
    }

    [Fact]
    public void The_default_compute_instance_takes_the_whole_gpu_instance()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200");

        // On Hopper, the whole of a double-memory slice is profile 7, with more multiprocessors than profile 0 has.
        machine.Create("1g.35gb").GetDefaultComputeInstanceProfile().Should().BeEquivalentTo(new { Id = 7, MultiprocessorCount = 26 });
        machine.Create("2g.35gb").GetDefaultComputeInstanceProfile().Should().BeEquivalentTo(new { Id = 1, MultiprocessorCount = 32 });
    }

    [Fact]
    public void Missing_engines_are_named_where_places_are_free()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A30");
        machine.Create("1g.6gb+me");

        FluentActions.Invoking(() => machine.Create("2g.12gb+me")).Should().Throw<NvmlInsufficientResourcesException>()
            .WithMessage("*2:2 is free, but something else that it needs is not: instances share the engines of the GPU*Present: GPU "
                + "instance * (1g.6gb+me at 0:1)*");
    }
}
