using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>NVIDIA's own nvidia-smi on every simulated model.</summary>
public class NvidiaSmiModelsTests
{
    [NvidiaSmiFact]
    public void The_bare_nvidia_smi_lists_mig_devices_of_every_model()
    {
        foreach (TestedModel model in TestedModels.All)
        {
            using Nvmig nvmig = new(model.Name);
            nvmig.Run("enable").ExitCode.Should().Be(0, model.Name);
            string smallest = model.Name.StartsWith("A30", StringComparison.Ordinal) || model.Architecture == Architecture.Blackwell
                ? "14"
                : "19";
            nvmig.Run("create", smallest).ExitCode.Should().Be(0, model.Name);

            string table = NvidiaSmiTests.Smi(nvmig).Out;

            table.Should().Contain("MIG devices:", model.Name).And.NotContain("No MIG devices found", model.Name);
            table.Should().MatchRegex(@"\|\s+0\s+\d+\s+0\s+0\s+\|\s+\d+MiB / \s*\d+MiB", model.Name);
        }
    }

    [NvidiaSmiFact]
    public void A_whole_3g_on_an_h100_covers_4_compute_slots()
    {
        using Nvmig nvmig = new("H100-SXM5-80GB");
        nvmig.Run("enable").ExitCode.Should().Be(0);

        NvidiaSmiTests.Smi(nvmig, "mig", "-cgi", "9,15", "-C").Out.Should().Contain("using profile MIG 1g.20gb (ID  7)");

        NvidiaSmiTests.Smi(nvmig, "mig", "-lci").Out.Should().ContainAll("MIG 3g.40gb", "0:4", "MIG 1g.20gb", "0:2");
    }
}
