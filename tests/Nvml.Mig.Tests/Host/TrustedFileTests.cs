using System.Diagnostics;
using Nvml.Mig.Applying;
using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

/// <summary>Files that somebody else may have put there: they neither hang nor fill the memory, and lead nobody elsewhere.</summary>
public sealed class TrustedFileTests : IDisposable
{
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_read_whole()
    {
        string file = Write("layout.yaml", new string('x', 10_000));

        RegularFile.ReadAllBytes(file, 10_000).Should().HaveCount(10_000);
        RegularFile.ReadAllBytes(Link("link", file), 10_000).Should().HaveCount(10_000, "Kubernetes mounts files through links");
        RegularFile.ReadAllBytes("/proc/self/status", 1 << 20).Should().NotBeEmpty("it has a size of 0");
    }

    [Fact]
    public void A_file_that_is_too_large_is_refused() =>
        Read(Write("layout.yaml", new string('x', 101)))
            .Should().Throw<IOException>().WithMessage("*layout.yaml is larger than the 100 bytes*");

    [Fact]
    public void A_fifo_does_not_hang() => Read(Fifo("pipe")).Should().Throw<IOException>().WithMessage("*pipe is not a regular file.");

    [Fact]
    public void A_device_does_not_fill_the_memory() => Read("/dev/zero").Should().Throw<IOException>().WithMessage("*not a regular file.");

    [Fact]
    public void A_folder_is_no_file() => Read(_folder.Path).Should().Throw<IOException>();

    [Fact]
    public void A_missing_file_is_named() => Read(_folder.File("none")).Should().Throw<FileNotFoundException>().WithMessage("*none*");

    [Fact]
    public void Mig_minors_are_a_regular_file()
    {
        string minors = _folder.File("proc/driver/nvidia-caps/mig-minors");
        Directory.CreateDirectory(Path.GetDirectoryName(minors)!);
        Link("proc/driver/nvidia-caps/mig-minors", "/dev/zero");

        FluentActions.Invoking(() => MigMinors.Read(new HostRoot(_folder.Path))).Should().Throw<IOException>();
    }

    [Fact]
    public async Task A_journal_of_services_is_no_fifo_and_no_link()
    {
        GpuServices fifo = new() { JournalPath = Fifo("stopped") };
        GpuServices link = new() { JournalPath = Link("linked", Write("elsewhere", "")) };

        await fifo.Invoking(s => s.StartAgainAsync()).Should().ThrowAsync<IOException>().WithMessage("*not a regular file*");
        await link.Invoking(s => s.StartAgainAsync()).Should().ThrowAsync<IOException>().WithMessage("*it is a link*");
    }

    [Fact]
    public async Task A_journal_is_not_trusted_where_others_write()
    {
        string open = _folder.File("open");
        Directory.CreateDirectory(Path.Combine(open, "mine"));
        File.SetUnixFileMode(open, Everybody);
        GpuServices services = new() { JournalPath = Path.Combine(open, "mine", "stopped") };

        await services.Invoking(s => s.StartAgainAsync()).Should().ThrowAsync<UnauthorizedAccessException>()
            .WithMessage($"Others can write to {open}. *");
    }

    [Fact]
    public async Task A_layout_is_not_recorded_where_others_write()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        string open = _folder.File("open");
        Directory.CreateDirectory(open);
        File.SetUnixFileMode(open, Everybody);
        ApplyOptions options = new() { JournalFolder = Link("link", Path.Combine(open, "journal")) };
        Directory.CreateDirectory(Path.Combine(open, "journal"));

        await FluentActions.Invoking(() => LayoutApplier.ApplyAsync([new GpuTarget(machine.Gpu, LayoutSpec.Parse("3g.20gb"))], options))
            .Should().ThrowAsync<JournalException>().WithMessage($"*Others can write to {open}.*");
        machine.Gpu.GetGpuInstances().Should().BeEmpty();
    }

    [Fact]
    public void A_cdi_specification_follows_no_link()
    {
        string victim = Write("victim", "untouched");
        string file = Link("mig.json", victim);

        CdiSpecification.Save(file, "{}");

        File.ReadAllText(victim).Should().Be("untouched");
        File.ReadAllText(file).Should().Be("{}\n");
        new FileInfo(file).LinkTarget.Should().BeNull();
        Directory.GetFiles(_folder.Path).Should().HaveCount(2, "nothing unfinished remains");
    }

    private static Action Read(string file) => () => RegularFile.ReadAllBytes(file, 100);

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder.File(name), text);
        return _folder.File(name);
    }

    private string Link(string name, string target)
    {
        File.CreateSymbolicLink(_folder.File(name), target);
        return _folder.File(name);
    }

    private string Fifo(string name)
    {
        using Process process = Process.Start("mkfifo", [_folder.File(name)]);
        process.WaitForExit();
        return _folder.File(name);
    }
}
