namespace Nvml.Mig.Tests.Cli;

/// <summary>NVIDIA's own client on the simulated machine: what one makes, the other shows.</summary>
public class NvidiaSmiTests
{
    [NvidiaSmiFact]
    public void Nvidia_smi_lists_what_nvmig_created()
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
        string[] uuids = [
            .. Smi(nvmig, "-L").Out.Split('\n').Where(l => l.Contains("MIG-", StringComparison.Ordinal)).Select(l => l[^42..^1])];
        uuids.Should().HaveCount(4);
        created.Out.Should().ContainAll(uuids);
    }

    [NvidiaSmiFact]
    public void Nvmig_lists_what_nvidia_smi_created()
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

    [NvidiaSmiFact]
    public void The_bare_nvidia_smi_shows_mig_devices()
    {
        using Nvmig nvmig = new("H200");
        nvmig.Run("create", "9,19", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer smi = Smi(nvmig);

        smi.ExitCode.Should().Be(0);
        smi.Out.Should().ContainAll(
            "|  0    2   0   0  |               0MiB / 71424MiB  | 60      0 |  3   0    3    0    3 |",
            "|                  |               0MiB / 131071MiB |           |                       |",
            "|  0    7   0   1  |               0MiB / 16384MiB  | 16      0 |  1   0    1    0    1 |");
        Smi(nvmig, "-q").Out.Should().Contain("        Reserved                          : 615 MiB");
    }

    [NvidiaSmiFact]
    public void The_bare_nvidia_smi_shows_mig_devices_of_every_model()
    {
        foreach (SimulatedModel model in NvmlSimulator.Models.Where(m => m.IsSimulated && m.HasMig))
        {
            using Nvmig nvmig = new(model.Key);
            string smallest = nvmig.Run("profiles", "--json").Json.GetProperty("gpus")[0].GetProperty("profiles")[0].GetProperty("name")
                .GetString()!;
            nvmig.Run("create", $"{smallest}*2", "--enable-mig").ExitCode.Should().Be(0, model.Key);

            string shown = Smi(nvmig).Out;

            shown.Should().NotContain("No MIG devices found", model.Key).And.NotContain("ERR!", model.Key);
            shown[shown.IndexOf("MIG devices:", StringComparison.Ordinal)..].Split('\n')
                .Count(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries) is ["|", "0", _, "0", "0" or "1", "|", ..])
                .Should().Be(2, $"{model.Key}: {shown}");
        }
    }

    [NvidiaSmiFact]
    public void A_3g_covers_four_slots_on_hopper_and_three_on_ampere()
    {
        using Nvmig hopper = new("H100-SXM5-80GB");
        using Nvmig ampere = new("A100-SXM4-80GB");
        foreach (Nvmig nvmig in (Nvmig[])[hopper, ampere])
            nvmig.Run("create", "3g.40gb", "--enable-mig").ExitCode.Should().Be(0);

        Smi(hopper, "mig", "-lci").Out.Should().Contain("|   0      2       MIG 3g.40gb          2         0          0:4     |");
        Smi(ampere, "mig", "-lci").Out.Should().Contain("|   0      2       MIG 3g.40gb          2         0          0:3     |");
    }

    /// <summary>As nvidia-smi 580 printed them on a real H200; 535 prints narrower columns.</summary>
    [NvidiaSmiFact]
    public void Its_tables_of_an_h200_equal_the_measured_ones()
    {
        using Nvmig nvmig = new("H200");
        nvmig.Run("enable").ExitCode.Should().Be(0); // 580 answers with MIG disabled too, 535 does not

        string[] rows = [.. Smi(nvmig, "mig", "-lgip").Out.Split('\n')
            .Where(
                line =>
                    line.StartsWith("|   0  MIG", StringComparison.Ordinal)
                        || (line.StartsWith("|           ", StringComparison.Ordinal)
                        && !line.Contains("Free/Total", StringComparison.Ordinal)))
            .Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)))];
        rows.Should().Equal(
            "| 0 MIG 1g.18gb 19 7/7 16.00 No 16 1 0 |", "| 1 1 0 |",
            "| 0 MIG 1g.18gb+me 20 1/1 16.00 No 16 1 0 |", "| 1 1 1 |",
            "| 0 MIG 1g.35gb 15 4/4 32.50 No 26 1 0 |", "| 1 1 0 |",
            "| 0 MIG 2g.35gb 14 3/3 32.50 No 32 2 0 |", "| 2 2 0 |",
            "| 0 MIG 3g.71gb 9 2/2 69.75 No 60 3 0 |", "| 3 3 0 |",
            "| 0 MIG 4g.71gb 5 1/1 69.75 No 64 4 0 |", "| 4 4 0 |",
            "| 0 MIG 7g.141gb 0 1/1 140.00 No 132 7 0 |", "| 8 7 1 |");
        Smi(nvmig, "mig", "-lgipp").Out.Should().Be(
            "GPU  0 Profile ID 19 Placements: {0,1,2,3,4,5,6}:1\nGPU  0 Profile ID 20 Placements: {0,1,2,3,4,5,6}:1\n"
            + "GPU  0 Profile ID 15 Placements: {0,2,4,6}:2\nGPU  0 Profile ID 14 Placements: {0,2,4}:2\n"
            + "GPU  0 Profile ID  9 Placements: {0,4}:4\nGPU  0 Profile ID  5 Placement : {0}:4\nGPU  0 Profile ID  0 Placement : {0}:8\n");
    }

    internal static Nvmig.Answer Smi(Nvmig nvmig, params string[] arguments) =>
        Nvmig.Start(NvidiaSmiFactAttribute.Path!, arguments, new Dictionary<string, string?>
        {
            ["LD_LIBRARY_PATH"] = Repository.File("artifacts/native-stubs"),
            ["NVML_STUB_GPUS"] = nvmig.Simulate,
            ["NVML_STUB_STATE"] = nvmig.StateFile,
            ["NVML_STUB_PRIVILEGES"] = nvmig.Environment.GetValueOrDefault("NVML_STUB_PRIVILEGES"),
        });
}
