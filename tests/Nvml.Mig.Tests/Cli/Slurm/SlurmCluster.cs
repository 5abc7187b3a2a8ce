using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nvml.Mig.Agent.Documents;

namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>
/// The real Slurm in a folder of this test's: munged, slurmctld and slurmd on loopback, one node with a simulated machine of eight A100 and
/// the scripts that nvmig prints. Nothing of it is left behind.
/// </summary>
internal sealed class SlurmCluster : IDisposable
{
    public const string Node = "n1";

    /// <summary>Jobs are this user's, who cannot read leases.</summary>
    public const uint Nobody = 65534;

    private const string Gpus = "A100-SXM4-40GB*8";

    private const UnixFileMode Readable = (UnixFileMode)0b111_101_101;

    private const UnixFileMode Open = (UnixFileMode)0b111_111_111;

    /// <summary>A shell's command: a program, with a file in place of the kernel's boot id.</summary>
    private const string InBoot = """mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@" """;

    private static readonly string[] Programs = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel"];

    private readonly TemporaryFolder _folder = new("/var/tmp");
    private readonly List<Process> _daemons = [];
    private Process? _slurmd;

    public SlurmCluster()
    {
        foreach (string name in (string[])["", "state", "spool", "log", "run", "scripts", "said"])
            File.SetUnixFileMode(Directory.CreateDirectory(PathOf(name)).FullName, Readable);
        File.SetUnixFileMode(Directory.CreateDirectory(PathOf("runs")).FullName, Open);
        SetBoot(1);
        Simulator = NvmlSimulator.Start(Gpus, StateFile);
        using (NvmlSession session = NvmlSession.Open(Simulator.LibraryPath))
        {
            foreach (GpuDevice gpu in session.Devices)
                gpu.EnableMig();
        }

        WriteScripts();
        WriteConfiguration();
        StartMunge();
        _daemons.Add(StartDaemon("slurmctld", "-D"));
        StartSlurmd();
    }

    /// <summary>Why there can be no cluster; null if there can.</summary>
    public static string? WhyNot
    {
        get
        {
            string[] missing = [.. Programs.Where(program => Find(program) is null)];
            return missing.Length > 0
                ? $"There is no {string.Join(", ", missing)} (apt-get install slurmctld slurmd slurm-client munge)."
                : Environment.IsPrivilegedProcess ? null : "Slurm's daemons need root.";
        }
    }

    public NvmlSimulator Simulator { get; private set; }

    public string StateFile => PathOf("machine");

    /// <summary>The folder for what jobs write.</summary>
    public string Runs => PathOf("runs");

    /// <summary>The folder of the jobs' variables.</summary>
    public string Variables => PathOf("env");

    /// <summary>How the node is, as sinfo says it.</summary>
    public string State => Run("sinfo", "-h", "-n", Node, "-o", "%t").Trim();

    private Dictionary<string, string?> Environ => new() { ["SLURM_CONF"] = PathOf("slurm.conf"), ["NVML_STUB_STATE"] = StateFile };

    /// <summary>Runs a program of Slurm's, or nvmig, as root.</summary>
    public string Run(string program, params string[] arguments)
    {
        Nvmig.Answer answer = Nvmig.Start(Find(program) ?? program, arguments, Environ);
        answer.ExitCode.Should().Be(0, $"of '{program} {string.Join(' ', arguments)}', which said: {answer.Error}");
        return answer.Out;
    }

    /// <summary>The same, as the user of the jobs.</summary>
    public Nvmig.Answer RunAsNobody(string program, params string[] arguments) => Nvmig.Start(
        Find("setpriv")!,
        [$"--reuid={Nobody}", $"--regid={Nobody}", "--clear-groups", Find(program) ?? program, .. arguments],
        Environ,
        Runs);

    /// <summary>Submits a script as the user of the jobs, and returns the job's number.</summary>
    public long Submit(string script, params string[] options)
    {
        Nvmig.Answer answer = RunAsNobody("sbatch", ["--parsable", "-o", "/dev/null", .. options, script]);
        answer.ExitCode.Should().Be(0, answer.Error);
        return long.Parse(answer.Out.Trim(), CultureInfo.InvariantCulture);
    }

    /// <summary>Runs nvmig in the node's boot, as its scripts do: with another one, it would end all leases.</summary>
    public Nvmig.Answer RunTool(params string[] arguments) => Nvmig.Start(
        "unshare", ["-m", "sh", "-c", InBoot, PathOf("boot_id"), Nvmig.Program, "--simulate", Gpus, .. arguments], Environ);

    /// <summary>A field of each job, as squeue has it.</summary>
    public Dictionary<long, string> Read(string field) => Run("squeue", "-h", "-a", "-r", "-t", "all", "-O", $"jobid:20,{field}:1200")
        .Split('\n').Where(line => line.Length > 20 && char.IsAsciiDigit(line[0]))
        .ToDictionary(line => long.Parse(line[..20], CultureInfo.InvariantCulture), line => line[20..].Trim());

    /// <summary>How long each prolog or epilog took, in milliseconds.</summary>
    public double[] ReadTimes(string command) => [.. File.ReadLines(PathOf("times")).Select(line => line.Split(' '))
        .Where(words => words[0] == command && words.Length == 3)
        .Select(words => (Parse(words[2]) - Parse(words[1])) / 1e6).Order()];

    /// <summary>All leases that prologs have reported.</summary>
    public List<LeaseEntry> ReadGranted() => [.. Directory.GetFiles(PathOf("said"), "prolog.*").Select(File.ReadAllText)
        .Where(text => text.Length > 0 && text.EndsWith("}\n", StringComparison.Ordinal))
        .Select(text => JsonNode.Parse(text)!["leases"]).OfType<JsonNode>()
        .SelectMany(leases => leases.Deserialize(AgentJson.Default.IReadOnlyListLeaseEntry)!)];

    /// <summary>Gives the prolog arguments more; null: no more.</summary>
    public void AddArguments(string? more)
    {
        if (more is null)
            File.Delete(PathOf("more"));
        else
            File.WriteAllText(PathOf("more"), more);
    }

    /// <summary>The things that an engineer would look at.</summary>
    public string Describe() => string.Join(
        '\n',
        Run("sinfo", "-h", "-n", Node, "-o", "%t %E"),
        Run("squeue", "-h", "-a", "-r", "-t", "all", "-O", "jobid:8,state:12,reason:30,restartcnt:4,admin_comment:200"),
        string.Join('\n', File.ReadLines(PathOf("log/slurmctld")).TakeLast(30)),
        string.Join('\n', File.ReadLines(PathOf("log/slurmd")).TakeLast(30)));

    /// <summary>SIGKILL; its jobs go on.</summary>
    public void KillSlurmd()
    {
        _slurmd!.Kill();
        _slurmd.WaitForExit();
        _slurmd.Dispose();
        _slurmd = null;
    }

    /// <summary>Starts it, and waits until the node takes jobs.</summary>
    public void StartSlurmd()
    {
        _slurmd = StartDaemon("slurmd", "-D", "-N", Node);
        AwaitService();
    }

    private void AwaitService() => Wait.Until(() => State is "idle" or "mix" or "alloc" or "comp", Describe);

    /// <summary>
    /// The node loses its power: slurmd, all jobs, the instances on the GPUs and /run are gone, and the kernel has another boot.
    /// </summary>
    public void Reboot()
    {
        KillSlurmd();
        KillJobs();
        Simulator.Reboot();
        SetBoot(2);
        Directory.Delete(Variables, recursive: true);
        // A boot within the second in which the node was heard last is none for Slurm. The kernel's uptime tells slurmd nothing here.
        Thread.Sleep(TimeSpan.FromSeconds(5));
        _slurmd = StartDaemon("slurmd", "-D", "-N", Node, "-b");
        Wait.Until(() => Run("sinfo", "-h", "-n", Node, "-o", "%E").Contains("rebooted", StringComparison.Ordinal), Describe);
        Thread.Sleep(TimeSpan.FromSeconds(3)); // For the same reason: slurmd tells its uptime again, in seconds.
        // As docs/slurm.md says: all jobs of the node are requeued then, also those whose prolog ran when the power went.
        Run("scontrol", "update", $"NodeName={Node}", "State=DOWN", "Reason=rebooted");
        Run("scontrol", "update", $"NodeName={Node}", "State=RESUME");
        AwaitService();
    }

    public void Dispose()
    {
        try
        {
            if (_slurmd is not null)
                KillSlurmd();
            KillJobs();
        }
        finally
        {
            foreach (Process daemon in _daemons)
            {
                daemon.Kill();
                daemon.WaitForExit();
                daemon.Dispose();
            }

            Simulator.Dispose();
            _folder.Dispose();
        }
    }

    private static string? Find(string program) =>
        $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin:/usr/local/sbin".Split(':')
            .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    private static double Parse(string number) => double.Parse(number, CultureInfo.InvariantCulture);

    private static int FindPort()
    {
        using TcpListener listener = new(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private string PathOf(string name) => name.Length == 0 ? _folder.Path : _folder.File(name);

    private void SetBoot(int number) => File.WriteAllText(
        PathOf("boot_id"), string.Create(CultureInfo.InvariantCulture, $"00000000-0000-0000-0000-{number:000000000000}\n"));

    /// <summary>The scripts as nvmig prints them; nvmig sees the boot of this node, and its time is noted.</summary>
    private void WriteScripts()
    {
        string tool = PathOf("nvmig");
        Write(
            tool,
            $"""
            #!/bin/bash
            for word; do case $word in task-prolog) exec {Nvmig.Program} "$@";; prolog|epilog) command=$word;; esac; done
            [ ! -e {PathOf("more")} ] || set -- "$@" $(cat {PathOf("more")})
            start=$(date +%s%N)
            said={PathOf("said")}/$command.$SLURM_JOB_ID.$start
            unshare -m sh -c '{InBoot}' \
                {PathOf("boot_id")} {Nvmig.Program} "$@" --json > $said
            code=$?
            echo "$command $start $(date +%s%N)" >> {PathOf("times")}
            exit $code

            """);
        foreach (string script in (string[])["prolog", "task-prolog", "epilog"])
        {
            Nvmig.Answer answer = RunTool(
                "slurm", "config", "--scripts", PathOf("scripts"), "--folder", Variables, "--wait", "2s", "--only", script);
            answer.ExitCode.Should().Be(0, answer.Error);
            Write(PathOf($"scripts/nvmig-{script}"), answer.Out.Replace(Nvmig.Program, tool, StringComparison.Ordinal));
        }
    }

    private void WriteConfiguration()
    {
        string config = RunTool("slurm", "config", "--node", Node, "--scripts", PathOf("scripts"), "--only", "slurm.conf").Out;
        string gres = RunTool("slurm", "config", "--node", Node, "--only", "gres.conf").Out;
        File.WriteAllText(PathOf("gres.conf"), gres);
        string socket = PathOf("run/munge");
        string host = Dns.GetHostName().Split('.')[0];
        File.WriteAllText(
            PathOf("slurm.conf"),
            $"""
            ClusterName=nvmig
            SlurmctldHost=localhost
            SlurmctldPort={FindPort()}
            SlurmdPort={FindPort()}
            SlurmUser=root
            AuthType=auth/munge
            AuthInfo=socket={socket},cred_expire=20
            CredType=cred/munge
            ProctrackType=proctrack/linuxproc
            TaskPlugin=task/none
            SelectType=select/cons_tres
            SelectTypeParameters=CR_Core
            SlurmdParameters=config_overrides
            MpiDefault=none
            MinJobAge=7200
            StateSaveLocation={PathOf("state")}
            SlurmdSpoolDir={PathOf("spool")}
            SlurmctldPidFile={PathOf("run/slurmctld.pid")}
            SlurmdPidFile={PathOf("run/slurmd.pid")}
            SlurmctldLogFile={PathOf("log/slurmctld")}
            SlurmdLogFile={PathOf("log/slurmd")}
            {config.Replace("nohold_on_prolog_fail", "nohold_on_prolog_fail,sched_interval=3,bf_interval=3", StringComparison.Ordinal)}
            NodeName={Node} NodeAddr=localhost NodeHostname={host} CPUs=64 Boards=1 SocketsPerBoard=64 CoresPerSocket=1 Gres=migslice:56
            PartitionName=all Nodes={Node} Default=YES State=UP

            """);
    }

    private void StartMunge()
    {
        byte[] key = new byte[128];
        RandomNumberGenerator.Fill(key);
        File.WriteAllBytes(PathOf("key"), key);
        File.SetUnixFileMode(PathOf("key"), UnixFileMode.UserRead);
        _daemons.Add(StartDaemon(
            "munged",
            "--foreground",
            $"--key-file={PathOf("key")}",
            $"--socket={PathOf("run/munge")}",
            $"--pid-file={PathOf("run/munged.pid")}",
            $"--log-file={PathOf("log/munged")}",
            $"--seed-file={PathOf("run/seed")}"));
        Wait.Until(() => File.Exists(PathOf("run/munge")), "munged begins");
    }

    private Process StartDaemon(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(Find(program)!, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["SLURM_CONF"] = PathOf("slurm.conf");
        Process process = Process.Start(start)!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    /// <summary>Kills what slurmd has started: all that knows this cluster's configuration, but the controller.</summary>
    private void KillJobs()
    {
        string mark = $"SLURM_CONF={PathOf("slurm.conf")}";
        HashSet<int> spared = [Environment.ProcessId, .. _daemons.Select(d => d.Id)];
        foreach (string folder in Directory.GetDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int id) || spared.Contains(id))
                continue;
            try
            {
                if (File.ReadAllText($"{folder}/environ").Split('\0').Contains(mark))
                    Process.GetProcessById(id).Kill();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException)
            {
                // It has ended.
            }
        }
    }

    private static void Write(string path, string text)
    {
        File.WriteAllText(path, text);
        File.SetUnixFileMode(path, Readable);
    }
}

/// <summary>Waits for what comes by itself.</summary>
internal static class Wait
{
    public static void Until(Func<bool> condition, string because, int seconds = 60) => Until(condition, () => because, seconds);

    public static void Until(Func<bool> condition, Func<string> because, int seconds = 60)
    {
        Stopwatch watch = Stopwatch.StartNew();
        while (!condition())
        {
            if (watch.Elapsed > TimeSpan.FromSeconds(seconds))
                throw new TimeoutException(because());
            Thread.Sleep(200);
        }
    }
}

/// <summary>A test with the real Slurm, where it is installed.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SlurmFactAttribute : FactAttribute
{
    public SlurmFactAttribute() => Skip = LongTests.WhyNot ?? SlurmCluster.WhyNot;
}
