namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// Sessions on real boards, replayed with NVIDIA's own nvidia-smi on the simulated ones: the same ids, places, counts and failures.
/// </summary>
/// <remarks>
/// In a transcript, a line with "$" is a command, one with "?" its exit code if that is not 0, and the others must come out in this
/// order, spaces aside. What sessions show beyond that is left out: dates, UUIDs, the memory that idle instances use, warnings about
/// persistence mode, and boards of which too little is known to simulate them (H20).
/// </remarks>
public class NvidiaSmiTranscriptTests
{
    /// <summary>NVIDIA's MIG user guide, "Instance Geometry": A100-SXM4-40GB.</summary>
    [NvidiaSmiFact]
    public void Guide_a100_geometry() => Replay("A100-SXM4-40GB", """
        $ -mig 1
        Enabled MIG Mode for GPU 00000000:07:00.0
        $ mig -lgi
        No GPU instances found: Not Found
        ? 6
        $ mig -cgi 19,14,5
        Successfully created GPU instance ID 13 on GPU 0 using profile MIG 1g.5gb (ID 19)
        Successfully created GPU instance ID 5 on GPU 0 using profile MIG 2g.10gb (ID 14)
        Successfully created GPU instance ID 1 on GPU 0 using profile MIG 4g.20gb (ID 5)
        $ mig -lgi
        | 0 MIG 1g.5gb 19 13 6:1 |
        | 0 MIG 2g.10gb 14 5 4:2 |
        | 0 MIG 4g.20gb 5 1 0:4 |
        $ mig -dgi
        $ mig -cgi 19,19,14,9
        Successfully created GPU instance ID 13 on GPU 0 using profile MIG 1g.5gb (ID 19)
        Successfully created GPU instance ID 11 on GPU 0 using profile MIG 1g.5gb (ID 19)
        Successfully created GPU instance ID 3 on GPU 0 using profile MIG 2g.10gb (ID 14)
        Unable to create a GPU instance on GPU 0 using profile 9: Insufficient Resources
        Failed to create GPU instances: Insufficient Resources
        ? 23
        $ mig -dgi -gi 3
        Successfully destroyed GPU instance ID 3 from GPU 0
        $ mig -dgi
        $ mig -cgi 9,19,14,19
        $ mig -lgi
        | 0 MIG 1g.5gb 19 7 0:1 |
        | 0 MIG 1g.5gb 19 8 1:1 |
        | 0 MIG 2g.10gb 14 4 2:2 |
        | 0 MIG 3g.20gb 9 2 4:4 |
        $ mig -dgi
        $ mig -cgi 14,19,19,19,19,19
        $ mig -lgi
        | 0 MIG 1g.5gb 19 7 0:1 |
        | 0 MIG 1g.5gb 19 8 1:1 |
        | 0 MIG 1g.5gb 19 9 2:1 |
        | 0 MIG 1g.5gb 19 10 3:1 |
        | 0 MIG 1g.5gb 19 13 6:1 |
        | 0 MIG 2g.10gb 14 5 4:2 |
        """);

    /// <summary>A public session on an A100 40GB with swapped halves: capacities, compute instance profiles by name.</summary>
    [NvidiaSmiFact]
    public void A100_capacity() => Replay("A100-SXM4-40GB+swapped", """
        $ -mig 1
        $ mig -i 0 -cgi 4g.20gb
        Successfully created GPU instance ID 2 on GPU 0 using profile MIG 4g.20gb (ID 5)
        $ mig -i 0 -lgip
        | 0 MIG 1g.5gb 19 3/7 4.75 No 14 0 0 |
        | 0 MIG 1g.5gb+me 20 1/1 4.75 No 14 1 0 |
        | 0 MIG 1g.10gb 15 2/4 9.75 No 14 1 0 |
        | 0 MIG 2g.10gb 14 1/3 9.75 No 28 1 0 |
        | 0 MIG 3g.20gb 9 1/2 19.62 No 42 2 0 |
        | 0 MIG 4g.20gb 5 0/1 19.62 No 56 2 0 |
        | 0 MIG 7g.40gb 0 0/1 39.38 No 98 5 0 |
        $ mig -i 0 -cgi 2g.10gb
        Successfully created GPU instance ID 3 on GPU 0 using profile MIG 2g.10gb (ID 14)
        $ mig -i 0 -cgi 1g.5gb
        Successfully created GPU instance ID 9 on GPU 0 using profile MIG 1g.5gb (ID 19)
        $ mig -i 0 -gi 2 -lcip
        | 0 2 MIG 1c.4g.20gb 0 4/4 14 2 0 0 |
        | 0 2 MIG 2c.4g.20gb 1 2/2 28 2 0 0 |
        | 0 2 MIG 4g.20gb 3* 1/1 56 2 0 0 |
        $ mig -i 0 -gi 2 -cci
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 2 using profile MIG 4g.20gb (ID 3)
        $ mig -i 0 -gi 2 -lcip
        | 0 2 MIG 1c.4g.20gb 0 0/4 14 2 0 0 |
        | 0 2 MIG 2c.4g.20gb 1 0/2 28 2 0 0 |
        | 0 2 MIG 4g.20gb 3* 0/1 56 2 0 0 |
        $ mig -i 0 -gi 3 -cci 1c.2g.10gb
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 3 using profile MIG 1c.2g.10gb (ID 0)
        $ mig -i 0 -gi 3 -lcip
        | 0 3 MIG 1c.2g.10gb 0 1/2 14 1 0 0 |
        | 0 3 MIG 2g.10gb 1* 0/1 28 1 0 0 |
        """);

    /// <summary>A public session on two A100-SXM4-80GB with swapped halves.</summary>
    [NvidiaSmiFact]
    public void A100_80_compute_instances() => Replay("A100-SXM4-80GB+swapped*2", """
        $ -mig 1
        $ mig -cgi 3g.40gb,4g.40gb -i 0
        Successfully created GPU instance ID 1 on GPU 0 using profile MIG 3g.40gb (ID 9)
        Successfully created GPU instance ID 2 on GPU 0 using profile MIG 4g.40gb (ID 5)
        $ mig -i 0 -cci 0,1 -gi 1
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 1 using profile MIG 1c.3g.40gb (ID 0)
        Successfully created compute instance ID 1 on GPU 0 GPU instance ID 1 using profile MIG 2c.3g.40gb (ID 1)
        $ mig -i 0 -cci 0,1 -gi 2
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 2 using profile MIG 1c.4g.40gb (ID 0)
        Successfully created compute instance ID 1 on GPU 0 GPU instance ID 2 using profile MIG 2c.4g.40gb (ID 1)
        $ -L
        MIG 1c.3g.40gb Device 0: (UUID: MIG-
        MIG 2c.3g.40gb Device 1: (UUID: MIG-
        MIG 1c.4g.40gb Device 2: (UUID: MIG-
        MIG 2c.4g.40gb Device 3: (UUID: MIG-
        $ mig -i 1 -cgi 2g.20gb,2g.20gb,1g.10gb -C
        Successfully created GPU instance ID 3 on GPU 1 using profile MIG 2g.20gb (ID 14)
        Successfully created compute instance ID 0 on GPU 1 GPU instance ID 3 using profile MIG 2g.20gb (ID 1)
        Successfully created GPU instance ID 5 on GPU 1 using profile MIG 2g.20gb (ID 14)
        Successfully created compute instance ID 0 on GPU 1 GPU instance ID 5 using profile MIG 2g.20gb (ID 1)
        Successfully created GPU instance ID 9 on GPU 1 using profile MIG 1g.10gb (ID 19)
        Successfully created compute instance ID 0 on GPU 1 GPU instance ID 9 using profile MIG 1g.10gb (ID 0)
        $ mig -dci -ci 1 -gi 2 -i 0
        Successfully destroyed compute instance ID 1 from GPU 0 GPU instance ID 2
        """);

    /// <summary>A public session on an A30, driver 535.</summary>
    [NvidiaSmiFact]
    public void A30() => Replay("A30", """
        $ -mig 1
        $ mig -lgipp
        GPU 0 Profile ID 14 Placements: {0,1,2,3}:1
        GPU 0 Profile ID 21 Placements: {0,1,2,3}:1
        GPU 0 Profile ID 5 Placements: {0,2}:2
        GPU 0 Profile ID 6 Placements: {0,2}:2
        GPU 0 Profile ID 0 Placement : {0}:4
        $ mig -lgip
        | 0 MIG 1g.6gb 14 4/4 5.81 No 14 1 0 |
        | 0 MIG 1g.6gb+me 21 1/1 5.81 No 14 1 0 |
        | 0 MIG 2g.12gb 5 2/2 11.69 No 28 2 0 |
        | 0 MIG 2g.12gb+me 6 1/1 11.69 No 28 2 0 |
        | 0 MIG 4g.24gb 0 1/1 23.44 No 56 4 0 |
        $ mig -cgi 14 -C
        Successfully created GPU instance ID 3 on GPU 0 using profile MIG 1g.6gb (ID 14)
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 3 using profile MIG 1g.6gb (ID 0)
        $ mig -cgi 14 -C
        Successfully created GPU instance ID 4 on GPU 0 using profile MIG 1g.6gb (ID 14)
        $ mig -cgi 5 -C
        Successfully created GPU instance ID 2 on GPU 0 using profile MIG 2g.12gb (ID 5)
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 2 using profile MIG 2g.12gb (ID 1)
        $ mig -lgi
        | 0 MIG 1g.6gb 14 3 0:1 |
        | 0 MIG 1g.6gb 14 4 1:1 |
        | 0 MIG 2g.12gb 5 2 2:2 |
        $
        | 0 2 0 0 | 0MiB / 11968MiB | 28 0 | 2 0 2 0 0 |
        | | 0MiB / 16383MiB | | |
        | 0 3 0 1 | 0MiB / 5952MiB | 14 0 | 1 0 1 0 0 |
        | | 0MiB / 8191MiB | | |
        | 0 4 0 2 | 0MiB / 5952MiB | 14 0 | 1 0 1 0 0 |
        $ mig -lcip -gi 2
        | 0 2 MIG 1c.2g.12gb 0 0/2 14 2 0 0 |
        | 0 2 MIG 2g.12gb 1* 0/1 28 2 0 0 |
        $ mig -lcip -gi 3
        | 0 3 MIG 1g.6gb 0* 0/1 14 1 0 0 |
        """);

    /// <summary>A public session on an H100 PCIe with swapped halves, driver 570.</summary>
    [NvidiaSmiFact]
    public void H100_seven_slices() => Replay("H100-PCIe-80GB+swapped", """
        $ -mig 1
        $ mig -cgi 19,19,19,19,19,19,19 -C
        Successfully created GPU instance ID 9 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 7 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 8 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 11 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 12 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 13 on GPU 0 using profile MIG 1g.10gb (ID 19)
        Successfully created GPU instance ID 14 on GPU 0 using profile MIG 1g.10gb (ID 19)
        $
        | 0 7 0 0 | 0MiB / 9984MiB | 14 0 | 1 0 1 0 1 |
        | | 0MiB / 16383MiB | | |
        | 0 8 0 1 |
        | 0 14 0 6 |
        """);

    /// <summary>A public session on an H100 SXM: the double-memory slice holds compute profile 7.</summary>
    [NvidiaSmiFact]
    public void H100_double_memory() => Replay("H100-SXM5-80GB", """
        $ -mig 1
        $ mig -i 0 -cgi 15 -C
        Successfully created GPU instance ID 5 on GPU 0 using profile MIG 1g.20gb (ID 15)
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 5 using profile MIG 1g.20gb (ID 7)
        """);

    /// <summary>A public article on the RTX PRO 6000 Blackwell Server Edition: its whole cycle.</summary>
    [NvidiaSmiFact]
    public void Rtx_pro_6000() => Replay("RTX-PRO-6000-Server", """
        $ -mig 1
        $ mig -cgi 1g.24gb,1g.24gb,1g.24gb,1g.24gb -C
        Successfully created GPU instance ID 3 on GPU 0 using profile MIG 1g.24gb (ID 14)
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 3 using profile MIG 1g.24gb (ID 0)
        Successfully created GPU instance ID 4 on GPU 0 using profile MIG 1g.24gb (ID 14)
        Successfully created GPU instance ID 5 on GPU 0 using profile MIG 1g.24gb (ID 14)
        Successfully created GPU instance ID 6 on GPU 0 using profile MIG 1g.24gb (ID 14)
        $ mig -i 0 -lgi
        | 0 MIG 1g.24gb 14 3 0:3 |
        | 0 MIG 1g.24gb 14 4 3:3 |
        | 0 MIG 1g.24gb 14 5 6:3 |
        | 0 MIG 1g.24gb 14 6 9:3 |
        $ mig -i 0 -lci
        | 0 3 MIG 1g.24gb 0 0 0:1 |
        | 0 4 MIG 1g.24gb 0 0 0:1 |
        | 0 5 MIG 1g.24gb 0 0 0:1 |
        | 0 6 MIG 1g.24gb 0 0 0:1 |
        $ mig -i 0 -dgi
        Unable to destroy GPU instance ID 3 from GPU 0: In use by another client
        Failed to destroy GPU instances: In use by another client
        ? 19
        $ mig -i 0 -dci
        Successfully destroyed compute instance ID 0 from GPU 0 GPU instance ID 3
        Successfully destroyed compute instance ID 0 from GPU 0 GPU instance ID 6
        $ mig -i 0 -dgi
        Successfully destroyed GPU instance ID 3 from GPU 0
        Successfully destroyed GPU instance ID 6 from GPU 0
        $ mig -i 0 -cgi 2g.48gb,1g.24gb,1g.24gb -C
        Successfully created GPU instance ID 1 on GPU 0 using profile MIG 2g.48gb (ID 5)
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 1 using profile MIG 2g.48gb (ID 1)
        Successfully created GPU instance ID 5 on GPU 0 using profile MIG 1g.24gb (ID 14)
        Successfully created GPU instance ID 6 on GPU 0 using profile MIG 1g.24gb (ID 14)
        $ mig -dci
        $ mig -dgi
        $ -i 0 -mig 0
        Disabled MIG Mode for GPU 00000000:07:00.0
        """);

    /// <summary>Public sessions on a GH200, and unknown profiles and instances.</summary>
    [NvidiaSmiFact]
    public void Refusals() => Replay("GH200-96GB", """
        $ -mig 1
        $ mig -cgi 20,20
        Successfully created GPU instance ID 13 on GPU 0 using profile MIG 1g.12gb+me (ID 20)
        Unable to create a GPU instance on GPU 0 using profile 20: Insufficient Resources
        ? 23
        $ -mig 0
        Unable to disable MIG Mode for GPU 00000000:07:00.0: In use by another client
        Terminating early due to previous errors.
        ? 19
        $ mig -cgi 1
        Unable to create a GPU instance on GPU 0 using profile 1: Invalid Argument
        Failed to create GPU instances: Invalid Argument
        ? 2
        $ mig -cgi 19:0
        Successfully created GPU instance ID 7 on GPU 0 using profile MIG 1g.12gb (ID 19)
        $ mig -cgi 19:0
        Unable to create a GPU instance on GPU 0 using profile 19:0: Insufficient Resources
        ? 23
        """);

    /// <summary>A public session in a container without MIG capabilities.</summary>
    [NvidiaSmiFact]
    public void Without_permission()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "9", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_PRIVILEGES"] = "none";

        Replay(nvmig, """
            $ mig -lci
            Failed to display compute instances: Insufficient Permissions
            ? 4
            $ -i 0 -mig 0
            Unable to disable MIG Mode for GPU 00000000:07:00.0: Insufficient Permissions
            ? 4
            """);
    }

    /// <summary>Compute instances where the caller wants them; no session shows it, the rules do.</summary>
    [NvidiaSmiFact]
    public void Compute_instances_in_their_places() => Replay("A100-SXM4-40GB*2", """
        $ -mig 1
        $ mig -cgi 9 -i 0
        $ mig -lcipp -i 0 -gi 2
        GPU 0 GI 2 Profile ID 0 Placements: {0,1,2}:1
        GPU 0 GI 2 Profile ID 1 Placements: {0,1}:2
        GPU 0 GI 2 Profile ID 2 Placement : {0}:3
        $ mig -cci 0:2 -i 0 -gi 2
        Successfully created compute instance ID 0 on GPU 0 GPU instance ID 2 using profile MIG 1c.3g.20gb (ID 0)
        $ mig -lci -i 0
        | 0 2 MIG 1c.3g.20gb 0 0 2:1 |
        $ mig -cci 0:2 -i 0 -gi 2
        ? 19
        """);

    /// <summary>NVIDIA's guide: an Ampere in a virtual machine; a public session on a GPU without MIG.</summary>
    [NvidiaSmiFact]
    public void Modes_that_stay_pending()
    {
        Replay("A100-SXM4-40GB+vm", """
            $ -i 0 -mig 1
            Warning: MIG mode is in pending enable state for GPU 00000000:07:00.0:Not Supported
            Reboot the system or try nvidia-smi --gpu-reset to make MIG mode effective on GPU 00000000:07:00.0
            All done.
            """);
        Replay("T4", """
            $ -mig 1
            Unable to enable MIG Mode for GPU 00000000:07:00.0: Not Supported
            Treating as warning and moving on.
            All done.
            """);
    }

    /// <summary>NVIDIA's guide: monitoring services hold the GPU until they are stopped.</summary>
    [NvidiaSmiFact]
    public void Clients_hold_the_gpu()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        using (NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        using (simulator.HoldGpu(0))
        {
            Replay(nvmig, """
                $ -i 0 -mig 1
                Warning: MIG mode is in pending enable state for GPU 00000000:07:00.0:In use by another client
                """);
        }

        Replay(nvmig, """
            $ -i 0 -mig 1
            Enabled MIG Mode for GPU 00000000:07:00.0
            All done.
            """);
    }

    private static void Replay(string board, string transcript)
    {
        using Nvmig nvmig = new(board);
        Replay(nvmig, transcript);
    }

    private static void Replay(Nvmig nvmig, string transcript)
    {
        string[] lines = transcript.Split('\n');
        for (int at = 0; at < lines.Length;)
        {
            string command = lines[at];
            command.Should().StartWith("$");
            string[] expected = [.. lines[(at + 1)..].TakeWhile(line => !line.StartsWith('$'))];
            at += 1 + expected.Length;

            Nvmig.Answer answer = NvidiaSmiTests.Smi(nvmig, command[1..].Split(' ', StringSplitOptions.RemoveEmptyEntries));

            string exitCode = expected.FirstOrDefault(line => line.StartsWith('?')) ?? "? 0";
            answer.ExitCode.Should()
                .Be(int.Parse(exitCode[2..], System.Globalization.CultureInfo.InvariantCulture), "of {0}: {1}", command, answer.Out);
            Queue<string> printed = new(answer.Out.Split('\n').Select(Squeeze));
            foreach (string line in expected.Where(line => !line.StartsWith('?')).Select(Squeeze))
            {
                while (printed.Count > 0 && !printed.Peek().Contains(line, StringComparison.Ordinal))
                    printed.Dequeue();
                printed.Should().NotBeEmpty("{0} prints '{1}' next, not only: {2}", command, line, answer.Out);
                printed.Dequeue();
            }
        }
    }

    private static string Squeeze(string line) => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}
