using System.Text.Json;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Cli.Top;
using Nvml.Mig.Leasing;
using Nvml.Mig.Tests.Monitoring;

namespace Nvml.Mig.Tests.Cli;

/// <summary>nvmig top: what it draws, its keys, and what happens to GPUs and instances while it runs.</summary>
public sealed class TopTests : IAsyncLifetime, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly ManualTime _time = new();
    private readonly CancellationTokenSource _withdraw = new();
    private SimulatedGpu? _machine;
    private TopReader? _reader;
    private LeaseManager? _manager;
    private Task _waits = Task.CompletedTask;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        await _withdraw.CancelAsync();
        await _waits.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _manager?.Dispose();
        _reader?.Dispose();
        _machine?.Dispose();
        _folder.Dispose();
        _withdraw.Dispose();
    }

    [Fact]
    public async Task It_fits_80_columns()
    {
        await StartSharedAsync();

        Draw(80).Should().Equal(
            "00:00:01Z  GPUs: 2  MIG devices: 3  waiting: 1  sort: gpu",
            "GPU Temp Power Use GiB used    of MIG Xids Name",
            "  0 39 C  80 W   -      3.0 140.4 on  -    NVIDIA H200",
            "  1 39 C  80 W   -      0.0 140.4 on  94*1 NVIDIA H200",
            "",
            "GPU GI CI Profile  Lease       Owner      Queue   GiB used    of Act Processes",
            "  0  0  0 7g.141gb a-name-tha… slurm:1234 default      3.0 140.0 40% 2: python …",
            "  1  1  0 3g.71gb  half        uid 1001   team         0.0  69.8  0% 0",
            "  1 13  0 1g.18gb  -           -          -            0.0  16.0  0% 0",
            "",
            "# Waiting Queue Owner    Wants",
            "1 next    team  uid 1001 7g.141gb",
            "  There is no free place for 7g.141gb. No lease can be taken back for it.");
    }

    [Fact]
    public async Task At_120_columns_nothing_is_cut()
    {
        await StartSharedAsync();

        IReadOnlyList<string> lines = Draw(120);

        lines.Should().Contain(
            "  0  0  0 7g.141gb a-name-that-is-long slurm:1234 default      3.0 140.0 40% 2: python train.py");
        lines.Should().NotContain(line => line.Contains('…') || line.Length > 120);
    }

    [Fact]
    public async Task Rows_are_sorted_and_filtered_by_keys()
    {
        await StartSharedAsync();
        FakeScreen screen = new("s", "s", "s", "/", "t", "e", "a", "m", "Enter", "Escape", "q");

        TopCommand.Watch(_reader!.Read, screen, TimeSpan.FromMinutes(1), CancellationToken.None);

        string[] First(int frame) => [.. screen.Frames[frame].SkipWhile(l => !l.Contains("GI CI", StringComparison.Ordinal)).Skip(1)
            .TakeWhile(l => l.Length > 0).Select(l => l[..12].Trim())];
        screen.Frames.Select(f => f[0][f[0].IndexOf("sort", StringComparison.Ordinal)..]).Should().Equal(
            "sort: gpu", "sort: memory", "sort: activity", "sort: owner", "sort: owner", "sort: owner  filter: t",
            "sort: owner  filter: te", "sort: owner  filter: tea", "sort: owner  filter: team", "sort: owner  filter: team", "sort: owner");
        First(0).Should().Equal("0  0  0 7g", "1  1  0 3g", "1 13  0 1g");
        First(3).Should().Equal("0  0  0 7g", "1  1  0 3g", "1 13  0 1g");
        First(8).Should().Equal("1  1  0 3g");
        screen.Frames[8][^1].Should().StartWith("filter: team_");
        screen.Frames[8].Should().Contain(l => l.Contains("next", StringComparison.Ordinal), "claims of the queue are meant too");
    }

    [Fact]
    public void What_does_not_fit_is_scrolled_to()
    {
        Start("A100-SXM4-40GB");
        for (int i = 0; i < 7; i++)
            _machine!.Create("1g.5gb").CreateComputeInstance();
        FakeScreen screen = new("j", "PageDown", "k", "Home", "q") { Height = 8 };

        TopCommand.Watch(_reader!.Read, screen, TimeSpan.FromMinutes(1), CancellationToken.None);

        screen.Frames.Should().OnlyContain(f => f.Count == 8);
        screen.Frames[0][^1].Should().Be("q: quit  s: sort  f: filter  arrows: scroll");
        screen.Frames[1][1].Should().StartWith("  0", "the first line has gone");
        screen.Frames[2][^2].Should().StartWith("  0 13", "the last instance is there");
        screen.Frames[2][1].Should().Be(screen.Frames[3][2]);
        screen.Frames[4].Should().Equal(screen.Frames[0]);
    }

    [Fact]
    public void It_goes_on_when_a_gpu_is_lost_and_an_instance_goes()
    {
        Start("H200*2");
        GpuInstance instance = _machine!.Create("1g.18gb");
        instance.CreateComputeInstance();
        int frame = 0;
        FakeScreen screen = new(null, null, "q");

        TopCommand.Watch(
            () =>
            {
                _time.Pass(2);
                if (frame == 1)
                    _machine.Simulator.SetFaults(NvmlFault.DestroyGpuInstance("nvmlDeviceGetMemoryInfo_v2", 0, instance.Id));
                if (frame == 2)
                    _machine.Simulator.SetFaults(NvmlFault.LoseGpu("nvmlDeviceGetMigMode") with { Gpu = 1 });
                frame++;
                return _reader!.Read();
            },
            screen,
            TimeSpan.FromMinutes(1),
            CancellationToken.None);

        screen.Frames.Select(f => f[0][11..34]).Should().Equal(
            "GPUs: 2  MIG devices: 1", "GPUs: 2  MIG devices: 0", "GPUs: 2  MIG devices: 0");
        screen.Frames[2][3].Should().StartWith("  1    -     -   -        -     - -   -    LOST: Cannot read the MIG mode on GP…")
            .And.HaveLength(80);
    }

    [Fact]
    public void It_ends_when_its_screen_has_gone()
    {
        Start("A100-SXM4-40GB");
        FakeScreen screen = new() { IsGone = true };

        TopCommand.Watch(_reader!.Read, screen, TimeSpan.FromSeconds(1), CancellationToken.None);

        screen.Frames.Should().BeEmpty();
    }

    [Fact]
    public void A_book_that_cannot_be_read_is_named_in_one_line()
    {
        File.WriteAllText(_folder.File("leases.db"), "This is no book.");
        Start("A100-SXM4-40GB");

        IReadOnlyList<string> lines = Draw(80);

        lines[1].Should().StartWith("Leases are not shown: ");
        lines[3].Should().Contain("NVIDIA A100");
    }

    [Fact]
    public void Names_of_others_are_text()
    {
        Start("A100-SXM4-40GB");
        MigDevice device = _machine!.Create("1g.5gb").CreateComputeInstance().GetMigDevice();
        using IDisposable job = _machine.Simulator.StartProcess(device, 4711, "a\u001b[31m\nb");

        string.Concat(Draw(120)).Should().Contain(@"1: a\u001b[31m\u000ab").And.NotContain("\u001b");
    }

    [Fact]
    public void Without_a_terminal_it_prints_once()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "1g.5gb", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Run("lease", "adopt", "-i", "0", "13", "--id", "mine", "--label", "ann").ExitCode.Should().Be(0);

        Nvmig.Answer text = nvmig.Run("top");
        JsonElement gpu = nvmig.Run("top", "--once", "--json").Json.GetProperty("gpus")[0];

        (text.ExitCode, text.Error).Should().Be((0, ""));
        text.Out.Should().MatchRegex("0 13  0 1g.5gb  mine  ann   default      0.0 4.8   - 0\n$").And.NotContain("\u001b");
        gpu.GetProperty("status").GetString().Should().Be("Ok");
        JsonElement instance = gpu.GetProperty("instances")[0];
        instance.GetProperty("lease").GetProperty("label").GetString().Should().Be("ann");
        instance.GetProperty("activity").ValueKind.Should().Be(JsonValueKind.Null, "an A100 does not measure it");
    }

    [Fact]
    public void Json_has_the_error_of_a_lost_gpu()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");

        Nvmig.Answer answer = nvmig.RunWithFaults("nvmlDeviceGetMigMode@1=lose", "top", "--json");

        answer.ExitCode.Should().Be((int)NvmlReturnCode.GpuIsLost);
        answer.Json.GetProperty("error").GetProperty("name").GetString().Should().Be("GpuIsLost");
        answer.Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("status").GetString()).Should().Equal("Ok", "Lost");
        nvmig.Run("top", "--interval", "0").ExitCode.Should().Be(64);
    }

    [Theory]
    [InlineData("kill -s INT $(cat pid)")]
    [InlineData("kill -s TERM $(cat pid)")]
    [InlineData("echo q > keys")]
    public void The_terminal_is_as_before_however_it_ends(string end)
    {
        using Nvmig nvmig = new();
        string top = $"{Nvmig.Program} top --simulate {nvmig.Simulate}";
        string shell = $"stty cols 80 rows 24; sh -c \"echo \\$\\$ > pid; exec {top}\"; echo \"ended $?\"; stty -a";
        // Keys come through a pipe, and the end once something is drawn.
        string user = $"for i in $(seq 300); do grep -q 'NVIDIA A100' shown && break; sleep 0.1; done; {end}";

        string all = $"mkfifo keys; touch shown; ({user}) & sleep 60 <> keys > keys & hold=$!; script -qefc '{shell}' shown < keys";

        Nvmig.Answer answer = Nvmig.Start("/bin/sh", ["-c", $"{all}; kill $hold"], nvmig.Environment, nvmig.Folder);

        answer.Out.Should().Contain("\u001b[?1049h").And.Contain("NVIDIA A100").And.Contain("\u001b[?25h\u001b[?1049l");
        string after = answer.Out[answer.Out.LastIndexOf("\u001b[?1049l", StringComparison.Ordinal)..];
        after.Should().Contain("ended 0").And.MatchRegex(@"\secho\s").And.MatchRegex(@"\sicanon\s");
    }

    private void Start(string gpus)
    {
        _machine = SimulatedGpu.Start(gpus);
        _reader = new TopReader(_machine.Session, _machine.Session.Devices, _folder.Path, _time);
    }

    /// <summary>Two H200: one for a lease with processes, on the other another, a stranger's instance and an error; one waits.</summary>
    private async Task StartSharedAsync()
    {
        Start("H200*2");
        GpuDevice second = _machine!.Session.Devices[1];
        second.CreateGpuInstance(second.GetGpuInstanceProfile("1g.18gb"), new Placement(6, 1)).CreateComputeInstance();
        _manager = await LeaseManager.OpenAsync(_machine.Session, new LeaseOptions { JournalFolder = _folder.Path });
        await _manager.SetQueueAsync(new LeaseQueue("team") { Quota = new Slices(14, 16) });
        GrantedLease large = await ClaimAsync("a-name-that-is-long", "7g.141gb", LeaseOptions.DefaultQueue, new(1000, "slurm:1234"));
        await ClaimAsync("half", "3g.71gb", "team", new LeaseOwner(1001));
        MigDevice device = _machine.Session.GetMigDevice(large.Instances[0].MigUuid);
        _machine.Simulator.StartProcess(device, 4711, "/usr/bin/python", memoryMiB: 2048);
        _machine.Simulator.StartProcess(device, 4712, "train.py", memoryMiB: 1024);
        _machine.Simulator.SetActivity(0, 40, large.Instances[0].GpuInstanceId);
        _waits = ClaimAsync("next", "7g.141gb", "team", new LeaseOwner(1001));
        while (_reader!.Read().Waiting is not [{ Position: 1 }])
            await Task.Delay(5);
        _machine.Simulator.RaiseXid(1, 94);
        _time.Pass(1);

        Task<GrantedLease> ClaimAsync(string id, string profile, string queue, LeaseOwner owner) => _manager.ClaimAsync(
            new Claim(id, queue, owner, [InstanceRequest.Of(profile)]), LeaseHold.UntilReleased, cancellationToken: _withdraw.Token);
    }

    private IReadOnlyList<string> Draw(int width) => TopView.ToLines(_reader!.Read(), new TopState(), width);

    /// <summary>A screen of 80 columns, and a user who presses keys; null is one that lets an interval pass.</summary>
    private sealed class FakeScreen(params string?[] keys) : ILiveScreen
    {
        private readonly Queue<string?> _keys = new(keys);

        public List<IReadOnlyList<string>> Frames { get; } = [];

        public int Width => 80;

        public int Height { get; init; } = 24;

        public bool IsGone { get; init; }

        public void Draw(IReadOnlyList<string> lines) => Frames.Add(lines);

        public ConsoleKeyInfo? ReadKey(TimeSpan timeout, CancellationToken cancellationToken) => _keys.Dequeue() switch
        {
            null => null,
            { Length: 1 } letter => new ConsoleKeyInfo(letter[0], ConsoleKey.None, false, false, false),
            var name => new ConsoleKeyInfo('\0', Enum.Parse<ConsoleKey>(name), false, false, false),
        };
    }
}
