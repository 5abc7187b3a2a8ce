using Nvml.Mig.Configuration;

namespace Nvml.Mig.Tests.Configuration;

/// <summary>Our own format: placements, compute instances, and GPUs by any of their names.</summary>
public class NvmigFormatTests
{
    private const string Head = "nvmig: v1\nlayouts:\n  x:\n";

    [Fact]
    public void A_layout_has_placements_and_compute_instances()
    {
        LayoutFile file = LayoutFile.Parse(
            """
            nvmig: v1
            layouts:
              mixed:
              - gpus: [0]
                layout: 3g.20gb:4/2c/1c:2, 1g.5gb*2, 1c.2g.10gb*2
              - gpus: [1]
                layout: "9:4,19:0/none"
              - gpus: [2]
                layout: none
              - gpus: [3]
                mig-enabled: false
            """,
            "layouts.yaml");

        file.Format.Should().Be(LayoutFileFormat.Nvmig);
        Machines.Describe(file.GetLayout().Resolve(Machines.A100s(4)))
            .Should().Equal("0: 3g.20gb:4/2c/1c:2,1g.5gb*2,1c.2g.10gb*2", "1: 9:4,19:0/none", "2: none", "3: off");
    }

    [Theory]
    [InlineData("all", "0 1 2 3")]
    [InlineData("[1, 3]", "1 3")]
    [InlineData("[\"1\"]", "1")]
    [InlineData("[GPU-00000000-0000-0000-0000-000000000002]", "2")]
    [InlineData("[gpu-00000000-0000-0000-0000-000000000002]", "2")]
    [InlineData("[\"00000000:08:00.0\", \"0000:09:00.0\", 0a:00.0]", "1 2 3")]
    [InlineData("[NVIDIA H200]", "2 3")]
    [InlineData("[h200]", "2 3")]
    [InlineData("[A100-SXM4-40GB, 3]", "0 1 3")]
    [InlineData("[0x233510DE, 0]", "0 2 3")]
    [InlineData("[\"0x233510DE:0x18BF10DE\", \"0x20B010DE:0x000010DE\"]", "2 3")]
    [InlineData("[H200, B200]", "2 3")]
    public void Gpus_are_chosen_by_any_name(string gpus, string indices)
    {
        ResolvedLayout resolved = LayoutFile.Parse(Head + $"  - gpus: {gpus}\n    mig-enabled: false\n", "f").GetLayout()
            .Resolve([Machines.A100(0), Machines.A100(1), Machines.H200(2), Machines.H200(3)]);

        string.Join(' ', resolved.Gpus.Select(gpu => gpu.Gpu.Index)).Should().Be(indices);
    }

    [Fact]
    public void A_gpu_has_one_entry()
    {
        const string Entries = "  - {gpus: all, layout: 7g.40gb}\n  - {gpus: [1], layout: 7g.40gb}\n";
        NamedLayout layout = LayoutFile.Parse(Head + Entries, "f").GetLayout();

        layout.Invoking(l => l.Resolve(Machines.A100s(2))).Should().Throw<LayoutFileException>()
            .WithMessage("f:5:5: GPU 1 (NVIDIA A100-SXM4-40GB, 0x20B010DE) has an entry already, at f:4:5. A GPU can have one *");
    }

    [Fact]
    public void Real_gpus_can_be_asked_who_they_are()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("H200,T4", migEnabled: false);

        machine.Session.Devices.Select(GpuIdentity.From).Should().Equal(
            new GpuIdentity(0, machine.Gpu.Uuid, "00000000:07:00.0", 0x233510DE, 0x18BF10DE, "NVIDIA H200", IsMigCapable: true),
            GpuIdentity.From(machine.Session.Devices[1]) with { PciDeviceId = 0x1EB810DE, Name = "Tesla T4", IsMigCapable = false });
    }
}
