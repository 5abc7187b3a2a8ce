namespace Nvml.Mig.Tests.Cli;

/// <summary>NVIDIA's own client on the simulated machine: what one makes, the other shows.</summary>
public class NvidiaSmiTests
{
    [NvidiaSmiFact]
    public void Nvidia_smi_lists_what_nvmig_made()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        Nvmig.Answer created = nvmig.Run("create", "9,19,19,19", "--enable-mig");
        created.ExitCode.Should().Be(0);

        Smi(nvmig, "mig", "-lgi").Out.Should().ContainAll(
            "|   0  MIG 1g.5gb          19        7          0:1     |",
            "|   0  MIG 1g.5gb          19        8          1:1     |",
            "|   0  MIG 1g.5gb          19        9          2:1     |",
            "|   0  MIG 3g.20gb          9        2          4:4     |");
        Smi(nvmig, "mig", "-lci").Out.Should().ContainAll(
            "|   0      7       MIG 1g.5gb           0         0          0:1     |",
            "|   0      2       MIG 3g.20gb          2         0          0:3     |");
        string[] uuids = [.. Smi(nvmig, "-L").Out.Split('\n').Where(l => l.Contains("MIG-", StringComparison.Ordinal)).Select(l => l[^42..^1])];
        uuids.Should().HaveCount(4);
        created.Out.Should().ContainAll(uuids);
    }

    [NvidiaSmiFact]
    public void Nvmig_lists_what_nvidia_smi_made()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");

        Smi(nvmig, "-mig", "1").Out.Should().StartWith("Enabled MIG Mode for GPU 00000000:07:00.0");
        Smi(nvmig, "mig", "-cgi", "9,19,14,19", "-C").ExitCode.Should().Be(0);

        string list = nvmig.Run("list").Out;
        list.Should().ContainAll(
            "│   0 │  2 │ 3g.20gb │ 4:4   │  0 │ 3g.20gb │ MIG-",
            "│   0 │  4 │ 2g.10gb │ 2:2   │  0 │ 2g.10gb │ MIG-",
            "│   0 │  7 │ 1g.5gb  │ 0:1   │  0 │ 1g.5gb  │ MIG-",
            "│   0 │  8 │ 1g.5gb  │ 1:1   │  0 │ 1g.5gb  │ MIG-");
    }

    [NvidiaSmiFact]
    public void Both_fail_alike()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        Smi(nvmig, "mig", "-cgi", "9").ExitCode.Should().NotBe(0);
        nvmig.Run("enable").ExitCode.Should().Be(0);

        Nvmig.Answer smi = Smi(nvmig, "mig", "-cgi", "19,19,14,9");
        smi.ExitCode.Should().Be(23);
        smi.Out.Should().ContainAll(
            "Successfully created GPU instance ID 13 on GPU  0 using profile MIG 1g.5gb (ID 19)",
            "Successfully created GPU instance ID 11 on GPU  0 using profile MIG 1g.5gb (ID 19)",
            "Successfully created GPU instance ID  3 on GPU  0 using profile MIG 2g.10gb (ID 14)",
            "Unable to create a GPU instance on GPU  0 using profile 9: Insufficient Resources");
        nvmig.Run("create", "9").ExitCode.Should().Be(23);
        Smi(nvmig, "-mig", "0").ExitCode.Should().Be(19);
        nvmig.Run("disable").ExitCode.Should().Be(19);
    }

    private static Nvmig.Answer Smi(Nvmig nvmig, params string[] arguments) =>
        Nvmig.Start(NvidiaSmiFactAttribute.Path!, arguments, new Dictionary<string, string?>
        {
            ["LD_LIBRARY_PATH"] = Nvmig.StubFolder,
            ["NVML_STUB_GPUS"] = nvmig.Simulate,
            ["NVML_STUB_STATE"] = nvmig.StateFile,
        });
}
