using System.Diagnostics;
using Nvml.Mig.Applying;
using Nvml.Mig.Native;

namespace Nvml.Mig.Tests.Applying;

/// <summary>One applier at a time, whoever tries to get around that.</summary>
public class JournalLockTests
{
    [Fact]
    public void The_lock_is_the_kernels()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("lock");
        using FileLock mine = FileLock.TryTake(path)!;

        FileLock.TryTake(path).Should().BeNull();
        Flock(path).Should().Be(1, "another program cannot take it either");

        mine.Dispose();
        Flock(path).Should().Be(0);
        FileLock.TryTake(path)!.Dispose();
    }

    [Fact]
    public void A_file_that_was_replaced_holds_nothing()
    {
        using TemporaryFolder folder = new();
        string path = folder.File("lock");
        using FileLock first = FileLock.TryTake(path)!;
        File.Delete(path);

        using FileLock? second = FileLock.TryTake(path);

        second.Should().NotBeNull("the first has a file that nobody can name");
        FileLock.TryTake(path).Should().BeNull();
    }

    [Fact]
    public void A_folder_in_which_no_lock_can_be_is_an_error() =>
        FluentActions.Invoking(() => FileLock.TryTake("/proc/nowhere/lock")).Should().Throw<IOException>()
            .WithMessage("open of /proc/nowhere/lock: *");

    [Fact]
    public async Task An_apply_waits_for_the_lock_if_that_is_asked_for()
    {
        using ApplyMachine machine = ApplyMachine.Start("A100-SXM4-40GB");
        using FileLock other = FileLock.TryTake(Path.Combine(machine.JournalFolder, "lock"))!;
        machine.Invoking(m => m.Apply("9")).Should().Throw<JournalException>().Which.IsLocked.Should().BeTrue();
        machine.Invoking(m => m.Apply("9", m.Options with { LockTimeout = TimeSpan.FromMilliseconds(80) })).Should()
            .Throw<JournalException>();

        Task<ApplyResult> waiting = Task.Run(() => machine.Apply("9", machine.Options with { LockTimeout = Timeout.InfiniteTimeSpan }));
        await Task.Delay(100);
        waiting.IsCompleted.Should().BeFalse();
        other.Dispose();

        (await waiting).IsSuccess.Should().BeTrue();
    }

    [Fact]
    public async Task Who_waits_for_the_lock_comes_before_who_looks()
    {
        using TemporaryFolder folder = new();
        string journal = folder.File("journal");
        ChangeLock first = ChangeLock.TryTake(journal)!;
        Task<ChangeLock> waiting = ChangeLock.TakeAsync(journal, TimeSpan.FromSeconds(10));
        await Task.Delay(50);
        first.Dispose();

        for (ChangeLock? look = null; !waiting.IsCompleted; look?.Dispose())
            (look = ChangeLock.TryTake(journal)).Should().BeNull();

        (await waiting).Dispose();
        ChangeLock.TryTake(journal)!.Dispose();
    }

    [Fact]
    public void Waiting_for_the_lock_can_be_cancelled()
    {
        using ApplyMachine machine = ApplyMachine.Start("A100-SXM4-40GB");
        using FileLock other = FileLock.TryTake(Path.Combine(machine.JournalFolder, "lock"))!;
        using CancellationTokenSource cancellation = new(50);

        machine.Invoking(m => m.Apply("9", m.Options with { LockTimeout = TimeSpan.FromMinutes(1) }, cancellationToken: cancellation.Token))
            .Should().Throw<OperationCanceledException>();
    }

    /// <summary>The exit code of util-linux's flock: 1 if the lock is taken.</summary>
    private static int Flock(string path)
    {
        using Process flock = Process.Start("flock", ["--nonblock", path, "true"]);
        flock.WaitForExit();
        return flock.ExitCode;
    }
}
