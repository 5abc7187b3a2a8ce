namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>nvmig slurm, as sites and Slurm call it.</summary>
public sealed class SlurmCommandTests : IDisposable
{
    private readonly Nvmig _nvmig = new("A100-SXM4-40GB*3,A30,T4");

    public void Dispose() => _nvmig.Dispose();

    [Fact]
    public void Config_counts_the_slices_of_a_node()
    {
        _nvmig.Run("slurm", "config").Error.Should().Contain("No GPU has MIG enabled");
        _nvmig.Run("enable", "-i", "0,2,3").ExitCode.Should().Be(0);

        string text = _nvmig.Run("slurm", "config", "--node", "gpu01", "--queue", "it's", "--folder", "/run/x").Out;

        text.Should().StartWith(
            """
            # 2 x NVIDIA A100-SXM4-40GB, of 7 compute slices
            # 1 x NVIDIA A30, of 4 compute slices
            # Left out: GPU 1, NVIDIA A100-SXM4-40GB. MIG is disabled. To count it: nvmig enable -i 1
            # Left out: GPU 4, Tesla T4. It has no MIG. To lease it whole and in fractions: nvmig lease policy --whole-gpus true

            # gres.conf: these lines
            NodeName=gpu01 Name=migslice Count=18 Flags=CountOnly

            # slurm.conf: these lines

            """);
        text.Should().Contain("\nProlog=/etc/slurm/nvmig-prolog\n").And.Contain("\n# NodeName=gpu01 ... Gres=migslice:18\n")
            .And.Contain($"{_nvmig.Simulate}' slurm prolog --queue 'it'\\''s' --folder /run/x 2>&1)\n")
            .And.Contain($"\nexport NVML_STUB_STATE={_nvmig.StateFile}\n", "slurmd gives its scripts few variables")
            .And.Contain("\nfile=/run/x/\"$SLURM_JOB_ID\"\n");
        Nvmig.Start("/bin/sh", ["-n", "-c", text], _nvmig.Environment).ExitCode.Should().Be(0, "a shell understands the scripts");
    }

    [Fact]
    public void Config_by_dotnet_is_refused()
    {
        string program = Path.Combine(AppContext.BaseDirectory, "nvmig.dll");
        _nvmig.Run("enable", "-i", "0").ExitCode.Should().Be(0);

        Nvmig.Answer answer = Nvmig.Start(
            "dotnet", [program, "--simulate", _nvmig.Simulate, "slurm", "config"], _nvmig.Environment);

        answer.ExitCode.Should().Be(64, answer.Error);
        answer.Error.Should().Contain("Start nvmig itself");
    }

    [Fact]
    public void Task_prolog_prints_the_variables_or_hides_the_gpus()
    {
        File.WriteAllText(Path.Combine(_nvmig.Folder, "12.env"), "export CUDA_VISIBLE_DEVICES=MIG-1\n");

        Run("12").Out.Should().Be("export CUDA_VISIBLE_DEVICES=MIG-1\n");
        Run("13").Out.Should().Be("export CUDA_VISIBLE_DEVICES=NoDevFiles\nexport NVIDIA_VISIBLE_DEVICES=void\n");
        Run(null).Error.Should().Be("nvmig: SLURM_JOB_ID is not set: Slurm runs this command, see 'nvmig slurm config'.\n");

        Nvmig.Answer Run(string? job)
        {
            _nvmig.Environment["SLURM_JOB_ID"] = job;
            return _nvmig.RunBare("slurm", "task-prolog", "--folder", _nvmig.Folder);
        }
    }

    [Fact]
    public void A_mark_that_cannot_be_left_fails_no_epilog()
    {
        File.WriteAllText(Path.Combine(_nvmig.Folder, "file"), "");
        _nvmig.Environment["SLURM_JOB_ID"] = "15";

        Nvmig.Answer answer = _nvmig.RunBare("slurm", "epilog", "--folder", Path.Combine(_nvmig.Folder, "file"));

        answer.ExitCode.Should().Be(0, "Slurm would drain the node");
        answer.Error.Should().StartWith("nvmig: Should Slurm start this job again without its prolog, it is not noticed: ");
    }

    /// <summary>As Slurm 22.05 now and then starts jobs that were requeued.</summary>
    [Fact]
    public void A_job_that_is_started_without_a_prolog_is_requeued()
    {
        string scontrol = Path.Combine(_nvmig.Folder, "scontrol");
        File.WriteAllText(scontrol, "#!/bin/sh\necho \"$@\" > \"$0\".called\n");
        File.SetUnixFileMode(scontrol, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        _nvmig.Environment["PATH"] = $"{_nvmig.Folder}:/usr/bin:/bin";
        foreach ((string name, string value) in ((string, string)[])
            [("SLURM_JOB_ID", "14"), ("SLURM_ARRAY_JOB_ID", "12"), ("SLURM_ARRAY_TASK_ID", "3")])
            _nvmig.Environment[name] = value;

        _nvmig.RunBare("slurm", "epilog", "--folder", _nvmig.Folder).ExitCode.Should().Be(0, "its file can have gone with a boot");

        Nvmig.Answer answer = _nvmig.InterruptIn(
            Nvmig.Program, "KILL", said => said.Contains("It is requeued.", StringComparison.Ordinal),
            "slurm", "task-prolog", "--folder", _nvmig.Folder);

        answer.Out.Should().BeEmpty("its program does not start");
        File.ReadAllText($"{scontrol}.called").Should().Be("requeue 12_3\n");
    }
}
