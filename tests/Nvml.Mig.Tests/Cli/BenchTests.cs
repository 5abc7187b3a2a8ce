using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Nvml.Mig.Cli.Bench;
using Nvml.Mig.Tests.Applying;
using Nvml.Mig.Tests.Host;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Cli;

/// <summary>nvmig bench measures on a GPU that is empty before and after, however it ends.</summary>
public class BenchTests(ITestOutputHelper output)
{
    private const string CreateGpuInstance = "nvmlDeviceCreateGpuInstanceWithPlacement";
    private static readonly string[] Quick = ["bench", "--yes", "--repetitions", "1", "--warmup", "0"];

    [Fact]
    public void Bench_announces_measures_and_restores_the_gpu()
    {
        using Nvmig nvmig = Divisible();
        string before = nvmig.Run("list", "--json").Out;

        Nvmig.Answer answer = nvmig.Run("bench", "--yes", "--repetitions", "3");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Error.Should().Contain("It is empty now. Each operation runs 5 times on it, 2 of them to warm up:")
            .And.Contain("1g.18gb at 0:1, 3:1, 6:1; ").And.Contain("7g.141gb at 0:8.")
            .And.Contain("Whole layouts are created and destroyed: 1g.18gb*7; 3g.71gb,2g.35gb,1g.18gb*2.")
            .And.Contain("That makes 135 GPU instances.")
            .And.Contain("GPU 0: measuring 1g.18gb at 3:1\n").And.EndWith("GPU 0: as it was before\n");
        answer.Out.Should().Contain("Create a GPU instance: nvmlDeviceCreateGpuInstanceWithPlacement, nvmlGpuInstanceGetInfo\n")
            .And.MatchRegex("│ 3g\\.71gb    │ 4:4   │     3 │ +[0-9.]+ │ +[0-9.]+ │ +[0-9.]+ │ [ ▁▂▃▄▅▆▇█]{24} │")
            .And.MatchRegex("│ 3g\\.71gb,2g\\.35gb,1g\\.18gb\\*2 │ balanced │     3 │")
            .And.EndWith("GPU 0 is as it was before.\n");
        nvmig.Run("list", "--json").Out.Should().Be(before);
        nvmig.Run("rollback").ExitCode.Should().Be(6, "there is nothing to take back");
    }

    [Fact]
    public void The_json_has_every_time()
    {
        using Nvmig nvmig = Divisible();

        JsonElement document = nvmig.Run("bench", "--yes", "--repetitions", "4", "--warmup", "1", "--json").Json;

        document.GetProperty("repetitions").GetInt32().Should().Be(4);
        document.GetProperty("outcome").GetString().Should().Be("Applied");
        document.GetProperty("error").ValueKind.Should().Be(JsonValueKind.Null);
        JsonElement[] measurements = [.. document.GetProperty("measurements").EnumerateArray()];
        measurements.GroupBy(m => m.GetProperty("operation").GetString()).Select(g => (g.Key, g.Count())).Should().Equal(
            ("CreateGpuInstance", 16),
            ("CreateComputeInstance", 16),
            ("DestroyComputeInstance", 16),
            ("DestroyGpuInstance", 16),
            ("CreateLayout", 2),
            ("DestroyLayout", 2));
        foreach (JsonElement measurement in measurements)
        {
            double[] times = [.. measurement.GetProperty("milliseconds").EnumerateArray().Select(t => t.GetDouble())];
            times.Should().HaveCount(4).And.OnlyContain(t => t > 0);
            double[] sorted = [.. times.Order()];
            new[] { "min", "p50", "p95", "max" }.Select(p => measurement.GetProperty(p + "Milliseconds").GetDouble())
                .Should().Equal(sorted[0], sorted[1], sorted[3], sorted[3]);
        }

        measurements[0].GetProperty("profile").GetString().Should().Be("1g.18gb");
        measurements[0].GetProperty("placement").GetProperty("size").GetInt32().Should().Be(1);
        measurements[^1].GetProperty("layout").GetString().Should().Be("3g.71gb,2g.35gb,1g.18gb*2");
    }

    [Fact]
    public void A_time_includes_the_named_native_calls()
    {
        using Nvmig nvmig = Divisible();
        nvmig.Environment["NVML_STUB_TRACE"] = Path.Combine(nvmig.Folder, "trace");

        JsonElement document = nvmig.Run([.. Quick, "--mode-switch", "--json"]).Json;

        string[] calls = [
            .. File.ReadLines(Path.Combine(nvmig.Folder, "trace"))
            .Select(line => line.Split('(', ' ', '\t').First(word => word.StartsWith("nvml", StringComparison.Ordinal)))];
        string[] Calls(string operation) => [.. document.GetProperty("measurements").EnumerateArray()
            .First(m => m.GetProperty("operation").GetString() == operation).GetProperty("calls").EnumerateArray()
            .Select(c => c.GetString()!)];
        string[] layout = [.. Calls("CreateLayout"), .. Calls("CreateLayout")];
        string.Join(' ', calls).Should().Contain(string.Join(' ', layout), "what a layout's instances are created by follows at once");
        string[] back = [.. Calls("DestroyComputeInstance"), .. Calls("DestroyGpuInstance")];
        Calls("DestroyLayout").Should().Equal(back);
        string.Join(' ', calls)
            .Should().Contain(string.Join(' ', [.. Calls("CreateGpuInstance"), .. Calls("CreateComputeInstance"), .. back]));
        string.Join(' ', calls).Should().Contain(string.Join(' ', [.. Calls("DisableMig"), .. Calls("EnableMig")]));
    }

    [Theory]
    [InlineData("A30", "1g.6gb*4; 2g.12gb,1g.6gb*2")]
    [InlineData("A100-SXM4-40GB", "1g.5gb*7; 3g.20gb,2g.10gb,1g.5gb*2")]
    [InlineData("RTX-PRO-6000-Server", "1g.24gb*4; 2g.48gb,1g.24gb*2")]
    public void The_measurements_follow_from_the_profiles(string model, string layouts)
    {
        using Nvmig nvmig = Divisible(model);

        Nvmig.Answer answer = nvmig.Run(Quick);

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Error.Should().Contain($"Whole layouts are created and destroyed: {layouts}.");
    }

    [Fact]
    public void Mode_switches_are_measured_on_request_and_undone()
    {
        using Nvmig nvmig = new("H200");
        nvmig.PassForReal();
        Nvmig.Answer refused = nvmig.RunBare(Quick);
        refused.ExitCode.Should().Be(3);
        refused.Complaints.Should()
            .Equal($"nvmig: MIG mode is disabled on {Gpu(nvmig)}: add --mode-switch, or run 'nvmig enable' first. Nothing was changed.");

        Nvmig.Answer answer = nvmig.Run(Quick);

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Out.Should().Contain("Disable MIG mode: nvmlDeviceSetMigMode").And.Contain("Enable MIG mode: nvmlDeviceSetMigMode");
        nvmig.Run("export").Out.Should().Be("GPU 0: MIG disabled\n");
    }

    [Fact]
    public void A_mode_that_needs_a_reset_is_rolled_back()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");
        string before = nvmig.Run("list", "--json").Out;

        Nvmig.Answer answer = nvmig.Run([.. Quick, "--mode-switch"]);

        answer.ExitCode.Should().NotBe(0);
        answer.Complaints.Should().ContainSingle().Which.Should()
            .Contain("MIG will be enabled on GPU 0").And.EndWith("The GPU is as it was before.");
        nvmig.Run("list", "--json").Out.Should().Be(before);
    }

    [Fact]
    public void Without_a_terminal_bench_needs_yes()
    {
        using Nvmig nvmig = Divisible();
        nvmig.PassForReal();

        Nvmig.Answer answer = nvmig.RunBare("bench");

        answer.ExitCode.Should().Be(64);
        answer.Complaints.Should().Equal("nvmig: There is no terminal to ask on: add --yes. Nothing was changed.");
        nvmig.RunBare("bench", "--json").Json.GetProperty("error").GetProperty("code").GetInt32().Should().Be(64);
        nvmig.Run("bench", "-n", "1").ExitCode.Should().Be(0, "on a simulated machine nobody is harmed");
    }

    [Fact]
    public void Bench_measures_one_gpu_at_a_time()
    {
        using Nvmig nvmig = Divisible("H200*2");

        nvmig.Run(Quick).Complaints.Should().Equal("nvmig: bench measures one GPU at a time, and there are 2: select one with -i.");
        nvmig.Run([.. Quick, "-i", "1"]).ExitCode.Should().Be(0);
        nvmig.Run("bench", "-i", "1", "--repetitions", "0").ExitCode.Should().Be(64);
    }

    [Fact]
    public void A_gpu_in_use_is_refused()
    {
        using Nvmig nvmig = Divisible();
        nvmig.Run("create", "1g.18gb:3").ExitCode.Should().Be(0);
        Refuses($"nvmig: GPU 0: {Gpu(nvmig)} is not empty: GPU instance 10 (1g.18gb at 3:1) is there. Nothing was changed.");
        nvmig.Run([.. Quick, "--json"]).Json.GetProperty("outcome").GetString().Should().Be("Refused");
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);

        using (NvmlSimulator machine = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile))
        using (machine.StartProcess(0, 4711, "train"))
            Refuses($"nvmig: GPU 0: {Gpu(nvmig)} is in use by process 4711 (train). Nothing was changed.");

        using FakeHost host = new();
        host.AddProcess(12, "nvidia-persiste", "/usr/bin/nvidia-persistenced", open: ["/dev/nvidia0"]);
        nvmig.Run([.. Quick, "--root", host.Root.Folder]).ExitCode.Should().Be(0, "a service that is known only watches");
        host.AddProcess(4712, "python3", "/usr/bin/python3", open: ["/dev/nvidiactl", "/dev/nvidia0"]);
        Refuses(
            $"nvmig: {Gpu(nvmig)} may be in use: its device file is open in python3 (4712). Nothing was changed.",
            "--root",
            host.Root.Folder);

        void Refuses(string complaint, params string[] options)
        {
            Nvmig.Answer answer = nvmig.Run([.. Quick, .. options]);
            answer.ExitCode.Should().Be(19);
            answer.Complaints.Should().Equal(complaint);
        }
    }

    [Fact]
    public void A_failure_is_reported_with_the_measurements_and_rolled_back()
    {
        using Nvmig nvmig = Divisible();
        string before = nvmig.Run("list", "--json").Out;
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlGpuInstanceCreateComputeInstance#3=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.Run([.. Quick, "--json"]);

        answer.ExitCode.Should().Be(255);
        answer.Complaints.Should().ContainSingle().Which.Should()
            .Contain("(NVML_ERROR_UNKNOWN, 999, from nvmlGpuInstanceCreateComputeInstance)").And.EndWith("The GPU is as it was before.");
        answer.Json.GetProperty("outcome").GetString().Should().Be("RolledBack");
        answer.Json.GetProperty("error").GetProperty("function").GetString().Should().Be("nvmlGpuInstanceCreateComputeInstance");
        answer.Json.GetProperty("measurements").EnumerateArray().Count(m => m.GetProperty("operation").GetString() == "CreateGpuInstance")
            .Should().Be(3);
        nvmig.Run("list", "--json").Out.Should().Be(before);
    }

    [Fact]
    public void A_failed_rollback_is_reported_and_can_be_repeated()
    {
        using Nvmig nvmig = Divisible();
        string before = nvmig.Run("list", "--json").Out;
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlGpuInstanceDestroy=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.Run(Quick);

        answer.ExitCode.Should().Be(66);
        answer.Complaints.Should().HaveCount(2);
        answer.Complaints[0].Should()
            .Contain("The GPU is not as it was before: GPU instance 7 (1g.18gb at 0:1) is there and should not be.");
        nvmig.Environment["NVML_STUB_FAULTS"] = null;
        nvmig.Run(Quick).ExitCode.Should().Be(19, "that is not ours to go on from");
        nvmig.Run("rollback").ExitCode.Should().Be(0);
        nvmig.Run("list", "--json").Out.Should().Be(before);
    }

    [Fact]
    public void After_a_death_at_any_kind_of_call_rollback_restores()
    {
        foreach (string function in ApplyMachine.Mutating.Where(
            f => f is not ("nvmlDeviceCreateGpuInstance" or "nvmlGpuInstanceCreateComputeInstanceWithPlacement")))
        {
            using Nvmig nvmig = new("H200");
            string before = nvmig.Run("list", "--json").Out;
            nvmig.Environment["NVML_STUB_FAULTS"] = (NvmlFault.Kill(function) with { Nth = 2, AfterEffect = true }).ToString();
            nvmig.Run([.. Quick, "--mode-switch"]).ExitCode.Should().Be(128 + 9, function);
            nvmig.Environment["NVML_STUB_FAULTS"] = null;

            nvmig.Run([.. Quick, "--mode-switch"]).ExitCode.Should().Be(19, function);
            nvmig.Run("rollback").ExitCode.Should().Be(0, function);
            nvmig.Run("list", "--json").Out.Should().Be(before, function);
        }
    }

    [Theory]
    [InlineData("INT")]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task Interrupted_at_a_random_moment_the_gpu_is_as_it_was(string signal)
    {
        using Nvmig nvmig = Divisible();
        string before = nvmig.Run("list", "--json").Out;
        TimeSpan whole = TimeSpan.Zero;
        int seed = Environment.TickCount;
        Random random = new(seed);
        List<string> how = [];
        // The first one runs to its end, and tells how long that takes.
        for (int i = -1; i < (LongTests.Wanted ? 50 : signal == "INT" ? 5 : 2); i++)
        {
            using Process process = Process.Start(new ProcessStartInfo(
                Nvmig.Program,
                ["--simulate", nvmig.Simulate, "bench", "--yes", "--repetitions", "30", .. (string[])(i % 2 == 0 ? ["--mode-switch"] : [])])
            {
                RedirectStandardError = true,
                RedirectStandardOutput = true,
                UseShellExecute = false,
                Environment = { ["NVML_STUB_STATE"] = nvmig.StateFile },
            })!;
            // Mostly while it measures; now and then while it starts.
            bool waits = i % 5 != 4;
            for (string? line = ""; waits && line?.Contains("measuring", StringComparison.Ordinal) == false;)
                line = await process.StandardError.ReadLineAsync();
            Stopwatch watch = Stopwatch.StartNew();
            Task<string> saying = process.StandardError.ReadToEndAsync();
            Task<string> showing = process.StandardOutput.ReadToEndAsync();
            TimeSpan moment = whole * random.NextDouble();
            if (i >= 0)
            {
                await Task.Delay(moment);
                Nvmig.SendSignal(signal, process.Id);
            }

            await process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            string said = await saying;
            await showing;
            if (i < 0)
            {
                process.ExitCode.Should().Be(0, said);
                whole = watch.Elapsed;
                continue;
            }

            string because = string.Create(
                CultureInfo.InvariantCulture, $"{signal} after {moment.TotalMilliseconds} ms, seed {seed}: {said}");
            how.Add(
                said.Contains("It was cancelled", StringComparison.Ordinal) ? $"{process.ExitCode} and a way back" : $"{process.ExitCode}");
            if (signal == "KILL")
            {
                process.ExitCode.Should().BeOneOf([0, 128 + 9], because);
                nvmig.Run("rollback").ExitCode.Should().BeOneOf([0, 6], because); // 6: nothing had been recorded yet, or any more.
            }
            else
            {
                process.ExitCode.Should().BeOneOf([0, 130, 128 + 15], because); // By the signal itself before it began, and after its end.
            }

            nvmig.Run("list", "--json").Out.Should().Be(before, because);
        }

        output.WriteLine($"{signal}, measuring takes {whole.TotalMilliseconds} ms: "
            + $"{string.Join(", ", how.GroupBy(h => h).Select(h => $"{h.Count()} times exit code {h.Key}"))}");
        nvmig.Run(Quick).ExitCode.Should().Be(0);
    }

    [Fact]
    public void An_interrupted_bench_shows_its_measurements()
    {
        using Nvmig nvmig = Divisible();
        nvmig.Environment["NVML_STUB_FAULTS"] = (NvmlFault.Hang(CreateGpuInstance, TimeSpan.FromSeconds(1)) with { Nth = 4 }).ToString();

        Nvmig.Answer answer = nvmig.Interrupt("TERM", "measuring 1g.18gb+me at 0:1", Quick);

        answer.ExitCode.Should().Be(130, answer.Error);
        answer.Error.Should()
            .Contain("GPU 0: rolling back: destroy GPU instance 7 (1g.18gb+me at 0:1)\n").And.EndWith("The GPU is as it was before.\n");
        answer.Out.Should().Contain("│ 1g.18gb    │ 6:1   │     1 │").And.NotContain("as it was before");
    }

    [Theory]
    [InlineData("nvmlGpuInstanceDestroy=NVML_ERROR_UNKNOWN")]
    [InlineData("nvmlGpuInstanceDestroy=NVML_SUCCESS")]
    [InlineData("nvmlComputeInstanceDestroy=NVML_ERROR_UNKNOWN")]
    [InlineData("nvmlComputeInstanceDestroy=NVML_ERROR_NO_PERMISSION")]
    public void An_instance_that_bench_leaves_is_named(string fault)
    {
        using Nvmig nvmig = Divisible("A30");

        Nvmig.Answer answer = nvmig.RunWithFaults(fault, [.. Quick, "--json"]);

        answer.ExitCode.Should().Be(66, answer.Error);
        answer.Complaints.Should().HaveCount(2);
        answer.Complaints[0].Should().Contain("The GPU is not as it was before: GPU instance ");
        answer.Complaints[1].Should().Be("nvmig: GPU 0: once the cause is mended, 'nvmig rollback' empties it.");
        answer.Json.GetProperty("outcome").GetString().Should().Be("NotRestored");
        nvmig.Run("rollback").ExitCode.Should().Be(0);
        nvmig.Run("export").Out.Should().Be("GPU 0: none\n");
    }

    [Fact]
    public void The_remaining_time_is_shown_and_accurate()
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("A30");
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        session.Devices[0].EnableMig();
        BenchPlan plan = BenchPlan.For(session.Devices[0]);
        simulator.SetLatency(SimulatedLatency.Hardware);
        List<(string What, TimeSpan? Left, TimeSpan At)> said = [];
        Stopwatch watch = Stopwatch.StartNew();

        BenchRun run = new(
            session.Devices[0],
            plan,
            repetitions: 1,
            warmup: 0,
            (what, rest) => said.Add((what, rest, watch.Elapsed)),
            CancellationToken.None);
        run.MeasureMode();
        run.MeasurePlaces();
        run.MeasureLayouts();

        TimeSpan end = watch.Elapsed;
        said.Take(2).Should().OnlyContain(s => s.Left == null, "a change of mode says nothing of an instance");
        said.Skip(2).Should().OnlyContain(s => s.Left > 0.6 * (end - s.At) && s.Left < 1.6 * (end - s.At));
        said[^2].What.Should().Be("1g.6gb*4", "rounds with several instances take longer, and are counted so");
    }

    [Fact]
    public void A_histogram_counts_in_steps_of_equal_ratio()
    {
        TimeSpan[] times = [.. ((double[])[1, 1, 1, 1, 10, 10, 100]).Select(TimeSpan.FromMilliseconds)];

        string drawn = BenchView.DrawHistogram(times, times[0], times[^1]);

        drawn.Should().HaveLength(24);
        drawn.Select((bar, i) => (bar, i)).Where(b => b.bar != ' ').Should().Equal(('█', 0), ('▄', 12), ('▂', 23));
        BenchView.DrawHistogram([TimeSpan.Zero], TimeSpan.Zero, TimeSpan.Zero).Trim().Should().Be("█");
    }

    /// <summary>A machine with MIG enabled and nothing on it.</summary>
    private static Nvmig Divisible(string gpus = "H200")
    {
        Nvmig nvmig = new(gpus);
        nvmig.Run("enable").ExitCode.Should().Be(0);
        return nvmig;
    }

    private static string Gpu(Nvmig nvmig) =>
        $"GPU 0 ({nvmig.Run("devices", "--json").Json.GetProperty("gpus")[0].GetProperty("uuid").GetString()})";
}
