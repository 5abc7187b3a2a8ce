namespace Nvml.Mig.HardwareTests;

/// <summary>
/// Facts about every real GPU. These tests only read: they change no mode, create nothing and destroy nothing.
/// </summary>
public sealed class ReadTests : IDisposable
{
    private readonly NvmlSession _session = NvmlSession.Open();

    public void Dispose() => _session.Dispose();

    [HardwareFact]
    public void The_driver_tells_its_versions()
    {
        _session.GetDriverVersion().Should().MatchRegex(@"^\d+\.\d+");
        _session.GetNvmlVersion().Should().EndWith(_session.GetDriverVersion());
        _session.GetCudaVersion().Major.Should().BeGreaterThan(10);
    }

    [HardwareFact]
    public void A_gpu_is_found_by_all_its_names()
    {
        foreach (GpuDevice gpu in _session.Devices)
        {
            _session.GetDevice(gpu.Uuid).Should().BeSameAs(gpu);
            _session.GetDevice(gpu.PciBusId).Should().BeSameAs(gpu);
            gpu.Uuid.Should().MatchRegex("^GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$");
            if (TryRead(gpu.GetSerial) is { } serial)
                _session.GetDeviceBySerial(serial).GetSerial().Should().Be(serial);
        }
    }

    [HardwareFact]
    public void Profiles_make_sense()
    {
        foreach (GpuDevice gpu in MigCapable())
        {
            IReadOnlyList<GpuInstanceProfile> profiles = gpu.GetGpuInstanceProfiles();
            profiles.Should().NotBeEmpty().And.OnlyHaveUniqueItems(p => p.Id);
            int slices = profiles.SelectMany(gpu.GetPossiblePlacements).Max(p => p.End);
            foreach (GpuInstanceProfile profile in profiles)
            {
                ProfileName name = ProfileName.Parse(profile.Name);
                name.GpuSliceCount.Should().Be(profile.SliceCount, "of {0}", profile);
                (profile.MemoryMiB / 1024.0)
                    .Should().BeLessThanOrEqualTo(name.MemoryGB, "of {0}: the name has its share of the GPU", profile);
                gpu.GetGpuInstanceProfile(profile.Name).Should().Be(profile);
                gpu.GetGpuInstanceProfile(profile.Id).Should().Be(profile);
                IReadOnlyList<Placement> placements = gpu.GetPossiblePlacements(profile);
                placements.Should().OnlyHaveUniqueItems().And.AllSatisfy(p => p.End.Should().BeLessThanOrEqualTo(slices));
                profile.MaxInstances.Should().BeInRange(1, placements.Count);
                gpu.GetRemainingCapacity(profile).Should().BeInRange(0, profile.MaxInstances);
                gpu.GetCapabilities(profile).HasFlag(GpuInstanceCapabilities.Graphics)
                    .Should().Be(name.Attributes.Contains("+gfx"), "of {0}", profile);
            }
        }
    }

    [HardwareFact]
    public void Instances_stand_where_their_profiles_can()
    {
        foreach (GpuDevice gpu in MigCapable().Where(gpu => gpu.GetMigMode().Current))
        {
            IReadOnlyList<MigDevice> devices = gpu.GetMigDevices();
            int computeInstances = 0;
            foreach (GpuInstance instance in gpu.GetGpuInstances())
            {
                gpu.GetPossiblePlacements(instance.Profile).Should().Contain(instance.Placement);
                foreach (ComputeInstance compute in instance.GetComputeInstances())
                {
                    computeInstances++;
                    MigDevice device = devices.Should()
                        .ContainSingle(d => d.GpuInstanceId == instance.Id && d.ComputeInstanceId == compute.Id).Subject;
                    _session.GetMigDevice(device.Uuid).Device.Should().BeSameAs(gpu);
                    device.GetAttributes().MultiprocessorCount.Should().Be(compute.Profile.MultiprocessorCount);
                    device.GetAttributes().MemoryMiB.Should().Be(instance.Profile.MemoryMiB);
                }
            }

            devices.Should().HaveCount(computeInstances);
        }
    }

    [HardwareFact]
    public void Memory_adds_up()
    {
        foreach (GpuDevice gpu in _session.Devices)
        {
            GpuMemory memory = gpu.GetMemory();
            (memory.UsedBytes + memory.FreeBytes + (memory.ReservedBytes ?? 0)).Should().Be(memory.TotalBytes);
            gpu.GetProcesses().Where(process => process.ProcessId <= 0).Should().BeEmpty();
        }
    }

    [HardwareFact]
    public void Metrics_have_names_and_units()
    {
        foreach (GpuDevice gpu in _session.Devices.Where(gpu => gpu.IsGpmSupported() && gpu.TryGetMigMode()?.Current != true))
        {
            using GpmSample before = gpu.TakeGpmSample();
            Thread.Sleep(150);
            using GpmSample after = gpu.TakeGpmSample();

            IReadOnlyList<GpmMetricValue> values = after.GetMetricsSince(
                before, [.. Enum.GetValues<GpmMetric>().Where(m => m != GpmMetric.None), (GpmMetric)8]);

            values.Should().Contain(v => v.Code == NvmlReturnCode.Success);
            foreach (GpmMetricValue value in values.Where(v => v.Code == NvmlReturnCode.Success))
            {
                string unit = value.Metric is GpmMetric.PcieTransmitted or GpmMetric.PcieReceived ? "MiB/s" : "%";
                (value.Unit, value.ShortName.Length > 0).Should().Be((unit, true), "of {0}", value.Metric);
            }

            values[^1].Code.Should().NotBe(NvmlReturnCode.Success, "number 8 is no metric");
        }
    }

    [HardwareFact]
    public async Task Events_can_be_waited_for_and_cancelled()
    {
        using GpuEventWatcher watcher = _session.WatchEvents();
        using CancellationTokenSource cancelled = new(TimeSpan.FromMilliseconds(300));
        Func<Task> reading = async () =>
        {
            await foreach (GpuEvent happened in watcher.ReadAllAsync(cancelled.Token))
                happened.Device.Session.Should().BeSameAs(_session);
        };

        await reading.Should().ThrowAsync<OperationCanceledException>();
    }

    [HardwareFact]
    public void Reading_changes_no_mode()
    {
        List<MigMode?> before = [.. _session.Devices.Select(gpu => gpu.TryGetMigMode())];
        foreach (GpuDevice gpu in MigCapable())
            gpu.ProbeDriver().StructVersions.Should().NotBeEmpty();

        _session.Devices.Select(gpu => gpu.TryGetMigMode()).Should().Equal(before);
    }

    private IEnumerable<GpuDevice> MigCapable() => _session.Devices.Where(gpu => gpu.TryGetMigMode() is not null);

    private static string? TryRead(Func<string> read)
    {
        try
        {
            return read();
        }
        catch (NvmlNotSupportedException)
        {
            return null;
        }
    }
}
