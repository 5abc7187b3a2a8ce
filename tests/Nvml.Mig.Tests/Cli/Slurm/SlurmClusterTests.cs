using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Cli.Slurm;

/// <summary>
/// The real Slurm with nvmig's scripts. Debian: <c>apt-get install slurmctld slurmd slurm-client munge</c>, and as root
/// <c>NVMIG_LONG_TESTS=1 dotnet test --filter SlurmClusterTests</c>.
/// </summary>
public sealed class SlurmClusterTests(ITestOutputHelper output)
{
    private const int Jobs = 200;

    /// <summary>Writes what it has been given when it begins, and the time as long as it lives. Its argument: how long.</summary>
    private const string Program = """
        #!/bin/bash
        name=RUNS/$SLURM_JOB_ID.${SLURM_RESTART_COUNT:-0}
        echo "$(date +%s%N) $CUDA_VISIBLE_DEVICES $NVMIG_LEASE $NVMIG_GENERATION" > $name.start
        for ((i = 0; i < ${1:-1} * 4; i++)); do sleep 0.25; date +%s%N > $name.alive; done

        """;

    /// <summary>The requests of jobs: each with how often it is asked for, of 200, and whether it can be had.</summary>
    private static readonly (string Gres, string? Comment, int Count, bool IsPossible)[] Kinds =
    [
        ("1", null, 40, true),
        ("2", null, 30, true),
        ("3", null, 25, true),
        ("4", null, 20, true),
        ("7", null, 12, true),
        ("3", "nvmig: 3g.20gb", 20, true),
        ("1", "project=x; nvmig: 1g.10gb", 15, true),
        ("2", "nvmig: 1g.5gb*2", 14, true),
        ("3", "nvmig: memory=12GiB; a = b", 10, true),
        ("14", "nvmig: 7g.40gb*2", 4, true),
        ("5", null, 3, false),
        ("1", "nvmig: 3g.20gb", 3, false),
        ("7", "nvmig: 9g.90gb", 2, false),
        ("2", "nvmig: please", 2, false),
    ];

    [SlurmFact]
    public void Two_hundred_jobs_have_leases_of_their_own()
    {
        using SlurmCluster cluster = new();
        Stopwatch watch = Stopwatch.StartNew();
        Dictionary<long, (bool IsPossible, double Submitted)> jobs = Submit(cluster);
        double submitted = watch.Elapsed.TotalSeconds;

        AwaitRuns(cluster, 40);
        cluster.KillSlurmd();
        Thread.Sleep(1500);
        cluster.StartSlurmd();
        AwaitRuns(cluster, 80);
        long[] cancelled = [.. cluster.Read("state").Where(j => j.Value is "RUNNING" or "PENDING").Select(j => j.Key).Take(8)];
        cluster.Run("scancel", [.. cancelled.Select(j => j.ToString(CultureInfo.InvariantCulture))]);
        AwaitRuns(cluster, 110);
        cluster.Reboot();
        Wait.Until(() => IsQuiet(cluster), cluster.Describe, seconds: 1800);
        watch.Stop();

        Dictionary<long, string> states = cluster.Read("state"), reasons = cluster.Read("admin_comment");
        states.Keys.Should().BeEquivalentTo(jobs.Keys, "none is lost");
        List<Run> runs = ReadRuns(cluster);
        foreach ((long job, string state) in states)
        {
            if (!jobs[job].IsPossible)
            {
                state.Should().BeOneOf(["PENDING", "CANCELLED"], "job {0} is held", job);
                runs.Should().NotContain(r => r.Job == job);
                if (state == "PENDING")
                    reasons[job].Should().StartWith("nvmig: ");
            }
            else if (cancelled.Contains(job))
            {
                state.Should().BeOneOf("CANCELLED", "COMPLETED");
            }
            else
            {
                state.Should().Be("COMPLETED", "of job {0}, of which nvmig said: {1}", job, reasons[job]);
                runs.Should().Contain(r => r.Job == job);
            }
        }

        CheckRuns(runs, cluster.ReadGranted());
        ReadLeases(cluster).Should().BeEmpty();
        Directory.GetFiles(cluster.Variables, "*.env").Should().BeEmpty();
        cluster.Run("scontrol", "show", "node", SlurmCluster.Node).Should().NotContain("DRAIN");
        Report(cluster, jobs, runs, watch.Elapsed.TotalSeconds, submitted);
        runs.Should().Contain(r => r.Restarts > 0, "a refusal was requeued and then ran");
    }

    [SlurmFact]
    public void Refusals_harm_no_node_and_no_other_job()
    {
        using SlurmCluster cluster = new();
        string script = WriteScript(cluster);
        // All slices are Slurm's to give, and none is there: somebody has a GPU beside Slurm.
        for (int gpu = 0; gpu < 8; gpu++)
            cluster.RunTool("lease", "acquire", "-p", "7g.40gb", "--id", $"beside-{gpu}").ExitCode.Should().Be(0);

        // One that is not to be requeued, a task of an array, and an interactive one.
        long once = cluster.Submit(script, "--gres=migslice:2", "--no-requeue", "--comment=mine; nvmig: 2g.10gb", "--export=ALL");
        long array = cluster.Submit(script, "--gres=migslice:1", "--array=1-2");
        Nvmig.Answer interactive = cluster.RunAsNobody("srun", "--gres=migslice:1", "hostname");
        Wait.Until(() => cluster.Read("restartcnt").Count(j => j.Value != "0") == 3, "three are requeued");

        interactive.ExitCode.Should().NotBe(0);
        interactive.Error.Should().Contain("nvmig: Claim slurm-").And.Contain("There is no free place");
        Dictionary<long, string> reasons = cluster.Read("admin_comment");
        reasons[once].Should().StartWith("nvmig: Claim slurm-").And.Contain("There is no free place for 2g.10gb.");
        cluster.Read("comment")[once].Should().Be("mine; nvmig: 2g.10gb");
        cluster.Read("requeue")[once].Should().Be("0", "it is as its user wants it");
        Wait.Until(() => cluster.State == "idle", "the node is in service");

        // There is room again.
        for (int gpu = 0; gpu < 8; gpu++)
            cluster.RunTool("lease", "release", $"beside-{gpu}").ExitCode.Should().Be(0);
        Wait.Until(() => cluster.Read("state").Count(j => j.Value == "COMPLETED") == 3, "all run", seconds: 120);
        ReadRuns(cluster).Should().HaveCount(3).And.OnlyContain(r => r.Device.StartsWith("MIG-", StringComparison.Ordinal));
        ReadRuns(cluster).Should().ContainSingle(r => r.Job == array);

        // A prolog that fails drains the node, and says why.
        cluster.AddArguments("--queue nobody");
        long failed = cluster.Submit(script, "--gres=migslice:1");
        Wait.Until(
            () => cluster.Run("sinfo", "-h", "-R", "-o", "%200E").Contains("nvmig: There is no queue nobody", StringComparison.Ordinal),
            "the reason is there");
        cluster.AddArguments(null);
        Wait.Until(() => cluster.Read("state")[failed] == "PENDING", "the job is not lost");
        cluster.Run("scontrol", "update", $"NodeName={SlurmCluster.Node}", "State=RESUME");
        Wait.Until(() => cluster.Read("state")[failed] == "COMPLETED", "it runs", seconds: 120);

        // A job that is put in front of its time can be started without a prolog: then it goes back once more.
        long early = cluster.Submit(script, "--gres=migslice:1", "--begin=now");
        Wait.Until(() => ReadRuns(cluster).Exists(r => r.Job == early), "it runs");
        cluster.Run("scontrol", "requeue", early.ToString(CultureInfo.InvariantCulture));
        Wait.Until(() => cluster.Read("reason")[early] == "BeginTime", "it waits");
        Thread.Sleep(TimeSpan.FromSeconds(2)); // Within the second in which the old credential was revoked, Slurm fails the job.
        cluster.Run("scontrol", "update", $"JobId={early}", "StartTime=now");
        Wait.Until(() => ReadRuns(cluster).Exists(r => r.Job == early && r.Restarts > 0), cluster.Describe, seconds: 120);
        ReadRuns(cluster).Where(r => r.Job == early).Should().HaveCount(2)
            .And.OnlyContain(r => r.Device.StartsWith("MIG-", StringComparison.Ordinal));
        Wait.Until(() => IsQuiet(cluster), "all jobs end");
        ReadLeases(cluster).Should().BeEmpty();
    }

    private static Dictionary<long, (bool IsPossible, double Submitted)> Submit(SlurmCluster cluster)
    {
        string script = WriteScript(cluster);
        Random random = new(7);
        (string Gres, string? Comment, int Count, bool IsPossible)[] all =
            [.. Kinds.SelectMany(k => Enumerable.Repeat(k, k.Count)).OrderBy(_ => random.Next())];
        all.Should().HaveCount(Jobs);
        ConcurrentDictionary<long, (bool, double)> jobs = new();
        // As fast as Slurm takes them.
        foreach ((string gres, string? comment, _, bool isPossible) in all)
        {
            string[] options = comment is null ? [$"--gres=migslice:{gres}"] : [$"--gres=migslice:{gres}", $"--comment={comment}"];
            string length = random.Next(1, 5).ToString(CultureInfo.InvariantCulture);
            Nvmig.Answer answer = cluster.RunAsNobody("sbatch", ["--parsable", "-o", "/dev/null", .. options, script, length]);
            answer.ExitCode.Should().Be(0, answer.Error);
            jobs[long.Parse(answer.Out.Trim(), CultureInfo.InvariantCulture)] =
                (isPossible, (DateTime.UtcNow - DateTime.UnixEpoch).TotalSeconds);
        }

        return new Dictionary<long, (bool IsPossible, double Submitted)>(jobs);
    }

    private static string WriteScript(SlurmCluster cluster)
    {
        string script = Path.Combine(cluster.Runs, "program");
        File.WriteAllText(script, Program.Replace("RUNS", cluster.Runs, StringComparison.Ordinal));
        File.SetUnixFileMode(script, (UnixFileMode)0b111_101_101);
        return script;
    }

    private static void AwaitRuns(SlurmCluster cluster, int count) =>
        Wait.Until(() => Directory.GetFiles(cluster.Runs, "*.start").Length >= count, cluster.Describe, seconds: 900);

    private static bool IsQuiet(SlurmCluster cluster)
    {
        Dictionary<long, string> reasons = cluster.Read("reason");
        return cluster.Read("state").All(j => j.Value is "COMPLETED" or "CANCELLED"
            || (j.Value == "PENDING" && reasons[j.Key].Contains("held", StringComparison.OrdinalIgnoreCase)));
    }

    private static List<string> ReadLeases(SlurmCluster cluster) =>
        [.. cluster.RunTool("lease", "list", "--json").Json.GetProperty("leases").EnumerateArray()
            .Select(l => l.GetProperty("id").GetString()!)];

    private static List<Run> ReadRuns(SlurmCluster cluster) =>
        [.. Directory.GetFiles(cluster.Runs, "*.start").Select(Run.Read).OfType<Run>().OrderBy(r => r.Start)];

    /// <summary>Each run had its own lease's instances, and no two had the same slices at one time.</summary>
    private static void CheckRuns(List<Run> runs, List<LeaseEntry> granted)
    {
        List<(Run Run, string Gpu, Placement Place)> places = [];
        foreach (Run run in runs)
        {
            LeaseEntry lease = granted.Where(l => l.Id == run.Lease && l.Generation == run.Generation).Should()
                .ContainSingle("run {0} of job {1} has a lease", run.Restarts, run.Job).Which;
            lease.Environment["CUDA_VISIBLE_DEVICES"].Should().Be(run.Device, "of job {0}", run.Job);
            lease.Uid.Should().Be(SlurmCluster.Nobody);
            lease.Label.Should().Be(string.Create(CultureInfo.InvariantCulture, $"slurm:{run.Job}"));
            places.AddRange(lease.Instances.Select(i => (run, i.GpuUuid, new Placement(i.Start, i.Size))));
        }

        foreach (IGrouping<string, (Run Run, string Gpu, Placement Place)> gpu in places.GroupBy(p => p.Gpu))
        {
            (Run Run, string Gpu, Placement Place)[] all = [.. gpu];
            for (int i = 0; i < all.Length; i++)
            {
                for (int j = 0; j < i; j++)
                {
                    bool isSame = all[i].Run != all[j].Run && all[i].Place.Overlaps(all[j].Place);
                    (isSame && all[i].Run.Start < all[j].Run.End && all[j].Run.Start < all[i].Run.End).Should()
                        .BeFalse("{0} and {1} have {2} and {3}", all[i].Run, all[j].Run, all[i].Place, all[j].Place);
                }
            }
        }
    }

    private void Report(
        SlurmCluster cluster,
        Dictionary<long, (bool IsPossible, double Submitted)> jobs,
        List<Run> runs,
        double seconds,
        double submitted)
    {
        double[] waits = [.. runs.GroupBy(r => r.Job).Select(r => (r.Min(x => x.Start) / 1e9) - jobs[r.Key].Submitted).Order()];
        double[] prologs = cluster.ReadTimes("prolog"), epilogs = cluster.ReadTimes("epilog");
        int restarts = cluster.Read("restartcnt").Sum(j => int.Parse(j.Value, CultureInfo.InvariantCulture));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{jobs.Count} jobs in {seconds:0} s ({jobs.Count / seconds:0.0} a second; {submitted:0} s to submit), {runs.Count} runs, "
            + $"{restarts} requeued, {runs.Count(r => r.Restarts > 0)} runs of requeued jobs"));
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"waits: median {waits[waits.Length / 2]:0.0} s, p95 {waits[waits.Length * 95 / 100]:0.0} s, longest {waits[^1]:0.0} s"));
        foreach ((string name, double[] times) in (IEnumerable<(string, double[])>)[("prolog", prologs), ("epilog", epilogs)])
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{name}: {times.Length}, median {times[times.Length / 2]:0} ms, p95 {times[times.Length * 95 / 100]:0} ms"));
        }
    }

    /// <summary>One run of a job, as its program has written it down.</summary>
    private sealed record Run(long Job, int Restarts, double Start, double End, string Device, string Lease, long Generation)
    {
        /// <summary>Null if it has not written it all.</summary>
        public static Run? Read(string path)
        {
            string[] name = Path.GetFileName(path).Split('.');
            string[] words = File.ReadAllText(path).Trim().Split(' ');
            if (words.Length < 2)
                return null;
            string alive = Path.ChangeExtension(path, "alive");
            double start = double.Parse(words[0], CultureInfo.InvariantCulture);
            string last = File.Exists(alive) ? File.ReadAllText(alive).Trim() : "";
            return new Run(
                long.Parse(name[0], CultureInfo.InvariantCulture),
                int.Parse(name[1], CultureInfo.InvariantCulture),
                start,
                last.Length > 0 ? double.Parse(last, CultureInfo.InvariantCulture) : start,
                words[1],
                words.Length > 2 ? words[2] : "",
                words.Length > 3 ? long.Parse(words[3], CultureInfo.InvariantCulture) : 0);
        }
    }
}
