namespace Nvml.Mig.Tests.Simulator;

public class StateFileTests
{
    [Fact]
    public void A_machine_in_a_file_is_found_as_it_was_left()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        string uuid;
        using (NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", file))
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath))
        {
            session.Devices[0].EnableMig();
            GpuInstance instance = session.Devices[0].CreateGpuInstance(session.Devices[0].GetGpuInstanceProfile("3g.20gb"));
            uuid = instance.CreateComputeInstance().GetMigDevice().Uuid;
        }

        using (NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", file))
        using (NvmlSession session = NvmlSession.Open(simulator.LibraryPath))
            session.Devices[0].GetMigDevices().Should().ContainSingle().Which.Uuid.Should().Be(uuid);
    }

    [Fact]
    public void A_private_machine_is_new_each_time()
    {
        using (SimulatedGpu machine = SimulatedGpu.Start())
            machine.Create("7g.40gb");
        using (SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false))
            machine.Gpu.GetMigMode().Current.Should().BeFalse();
    }

    public static TheoryData<string, byte[]> ForeignFiles => new()
    {
        { "empty", [] },
        { "text", "precious data that nobody may touch"u8.ToArray() },
        { "short", "NVML"u8.ToArray() },
    };

    [Theory]
    [MemberData(nameof(ForeignFiles))]
    public void A_file_that_is_not_ours_is_refused_untouched(string kind, byte[] content)
    {
        using TemporaryFolder folder = new();
        string file = folder.File(kind);
        File.WriteAllBytes(file, content);

        foreach (Action use in (Action[])[
            () => NvmlSimulator.Start("A100-SXM4-40GB", file).Dispose(), () => NvmlSimulator.Reset(file, "A100-SXM4-40GB")])
        {
            use.Should().Throw<NvmlException>().WithMessage($"*{file} is not a state file of the NVML stub; it was left untouched*")
                .Which.Code.Should().Be(NvmlReturnCode.InvalidState);
        }

        File.ReadAllBytes(file).Should().Equal(content);
        Directory.GetFiles(folder.Path).Should().Equal(file);
    }

    [Fact]
    public void A_damaged_file_is_refused_untouched_and_can_be_reset()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        NvmlSimulator.Start("A100-SXM4-40GB", file).Dispose();
        byte[] healthy = File.ReadAllBytes(file);
        Dictionary<string, byte[]> damages = new()
        {
            ["truncated"] = healthy[..(healthy.Length / 2)],
            ["a flipped bit"] = [.. healthy.Select((b, i) => i == 60 ? (byte)(b ^ 4) : b)],
            ["another format"] = [.. healthy.Select((b, i) => i == 8 ? (byte)77 : b)],
        };

        foreach ((string damage, byte[] content) in damages)
        {
            File.WriteAllBytes(file, content);

            FluentActions.Invoking(() => NvmlSimulator.Start("A100-SXM4-40GB", file)).Should()
                .Throw<NvmlException>(damage).WithMessage("*it was left untouched*").Which.Code.Should().Be(NvmlReturnCode.InvalidState);
            File.ReadAllBytes(file).Should().Equal(content);
            NvmlSimulator.Reset(file, "A100-SXM4-40GB");
            NvmlSimulator.Start("A100-SXM4-40GB", file).Dispose();
        }
    }

    /// <summary>Where the first GPU's compute mode, its MIG mode and its GPU instance 1 are in a machine.</summary>
    private const int Compute = 8 + (128 * 32) + 32 + 4;
    private const int Mode = Compute + 7 + (8 * 38) + 1;
    private const int Instance0 = Mode + 2;
    private const int Instance1 = Instance0 + 28;

    [Theory]
    [InlineData("a mode that is none", new[] { Mode, 200 })]
    [InlineData("a compute mode that is none", new[] { Compute, 4 })]
    [InlineData("an instance with MIG disabled", new[] { Instance1, 1, Instance1 + 1, 9 })]
    [InlineData("instances on top of each other", new[] { Mode, 1, Instance0, 1, Instance0 + 1, 0, Instance1, 1, Instance1 + 1, 9 })]
    [InlineData("an instance in the place of another id", new[] { Mode, 1, Instance1, 1, Instance1 + 1, 9, Instance1 + 2, 4 })]
    [InlineData(
        "a compute instance beyond its GPU instance",
        new[] { Mode, 1, Instance1, 1, Instance1 + 1, 9, Instance1 + 4, 1, Instance1 + 5, 1, Instance1 + 6, 2 })]
    public void A_machine_that_no_driver_can_have_is_refused(string what, int[] changes)
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        NvmlSimulator.Start("A100-SXM4-40GB", file).Dispose();
        byte[] content = File.ReadAllBytes(file);
        const int header = 32;
        int size = BitConverter.ToInt32(content, 12);
        foreach (int[] change in changes.Chunk(2))
            content[header + change[0]] = (byte)change[1];
        uint checksum = content.AsSpan(header, size).ToArray().Aggregate(2166136261u, (hash, b) => (hash ^ b) * 16777619u);
        BitConverter.TryWriteBytes(content.AsSpan(28), checksum);
        File.WriteAllBytes(file, content);

        FluentActions.Invoking(() => NvmlSimulator.Start("A100-SXM4-40GB", file).Dispose()).Should().Throw<NvmlException>(what)
            .WithMessage("*is damaged; it was left untouched*");
    }

    [Fact]
    public void The_offsets_of_the_test_above_are_right()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", file);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[0].EnableMig();
        session.Devices[0].CreateGpuInstance(session.Devices[0].GetGpuInstanceProfile("9"), new Placement(0, 4)).CreateComputeInstance();

        byte[] content = File.ReadAllBytes(file);
        int active = 32 + (BitConverter.ToInt32(content, 24) * BitConverter.ToInt32(content, 12));
        content[active + Mode].Should().Be(1);
        content[(active + Instance1)..(active + Instance1 + 7)].Should().Equal(1, 9, 0, 0, 1, 2, 0);
    }

    [Fact]
    public void A_file_that_is_deleted_under_a_session_is_not_written_on()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        using NvmlSimulator simulator = NvmlSimulator.Start("A100-SXM4-40GB", file);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[0].GetMigMode();

        File.Delete(file);

        session.Devices[0].Invoking(gpu => gpu.EnableMig())
            .Should().Throw<NvmlException>().Which.Code.Should().Be(NvmlReturnCode.InvalidState);
    }

    [Fact]
    public void A_file_with_another_machine_is_refused()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        NvmlSimulator.Start("A100-SXM4-40GB*2", file).Dispose();

        FluentActions.Invoking(() => NvmlSimulator.Start("H200", file)).Should().Throw<NvmlException>()
            .WithMessage("*holds the machine A100-SXM4-40GB*2, not H200-SXM; name another file, or reset this one*");
    }

    [Fact]
    public void A_file_that_cannot_be_made_is_named()
    {
        using TemporaryFolder folder = new();

        FluentActions.Invoking(() => NvmlSimulator.Start("H200", folder.File("no/such/folder"))).Should().Throw<NvmlException>()
            .WithMessage("*cannot create the state file *no/such/folder: No such file or directory*")
            .Which.Code.Should().Be(NvmlReturnCode.OperatingSystem);
    }

    [Fact]
    public void Resetting_makes_the_same_machine_new_also_under_a_session()
    {
        using TemporaryFolder folder = new();
        string file = folder.File("machine");
        using NvmlSimulator simulator = NvmlSimulator.Start("H200*2", file);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[1].EnableMig();

        NvmlSimulator.Reset(file);

        session.Devices[1].GetMigMode().Current.Should().BeFalse();
        session.Devices[1].Name.Should().Be("NVIDIA H200");
    }

    [Theory]
    [InlineData("T1000", "*unknown GPU model 'T1000'; there are: A30, A100-SXM4-40GB,*")]
    [InlineData("A100-SXM4-40GB*0", "*'A100-SXM4-40GB?0': the count after ? must be a number from 1 to 32*")]
    [InlineData("A100-SXM4-40GB*-1", "*must be a number from 1 to 32*")]
    [InlineData("A100-SXM4-40GB*33", "*must be a number from 1 to 32*")]
    [InlineData("A100-SXM4-40GB*20,H200*20", "*a machine has at most 32 GPUs*")]
    [InlineData("H200,,H200", "*unknown GPU model ''*")]
    [InlineData("A30 H200", "*'A30 H200' is not of the form MODEL[+swapped][+vm][?COUNT]*")]
    [InlineData("A30+broken", "*'A30+broken' is not of the form MODEL*")]
    [InlineData("A100", "*ambiguous GPU model 'A100'; there are: A100-SXM4-40GB, A100-PCIE-40GB, A100-SXM4-80GB, A100-80GB-PCIe*")]
    [InlineData("B200", "*B200 cannot be simulated truly: SM and memory of 3g, 4g and 7g are not known*")]
    public void A_machine_that_makes_no_sense_is_explained(string gpus, string message) =>
        FluentActions.Invoking(() => NvmlSimulator.Start(gpus)).Should().Throw<NvmlException>().WithMessage(message)
            .Which.Code.Should().Be(NvmlReturnCode.InvalidArgument);
}
