using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>
/// The right to change the GPUs of this machine. One process has it at a time; it ends with the process, however that ends. An apply, a
/// rollback and an exclusive run take it by themselves. Take it for changes of your own.
/// </summary>
public sealed class ChangeLock : IDisposable
{
    /// <summary>
    /// The pause between two attempts. It does not grow: who has waited for long would come after those who have just begun.
    /// </summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(10);

    private readonly IDisposable _lock;

    private ChangeLock(IDisposable @lock) => _lock = @lock;

    /// <summary>
    /// Takes the right, if nobody has it or waits for it. Many who only look whether there is something to do so do not keep those waiting
    /// who have something to do.
    /// </summary>
    /// <param name="journalFolder">The <see cref="ApplyOptions.JournalFolder"/>. It is created if it is not there.</param>
    /// <returns>The right, until it is disposed; null if somebody else has it or waits for it.</returns>
    /// <exception cref="JournalException">The folder cannot be used: others can write to it, for instance.</exception>
    public static ChangeLock? TryTake(string journalFolder)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalFolder);
        return Guard(journalFolder, () => LockedFolder.IsWanted(journalFolder)) ? null : TryTakeNow(journalFolder);
    }

    /// <summary>Takes the right, and waits for it if somebody else has it.</summary>
    /// <inheritdoc cref="TryTake"/>
    /// <param name="journalFolder">The <see cref="ApplyOptions.JournalFolder"/>. It is created if it is not there.</param>
    /// <param name="timeout">How long to wait.</param>
    /// <param name="timeProvider">The clock; by default the system's.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <returns>The right, until it is disposed.</returns>
    /// <exception cref="JournalException">
    /// Somebody else has it (<see cref="JournalException.IsLocked"/>), or the folder cannot be used.
    /// </exception>
    /// <exception cref="OperationCanceledException">The wait was cancelled.</exception>
    public static async Task<ChangeLock> TakeAsync(
        string journalFolder, TimeSpan timeout, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalFolder);
        timeProvider ??= TimeProvider.System;
        Retry retry = new(timeout, LookInterval, timeProvider);
        IDisposable? wanted = null;
        try
        {
            while (true)
            {
                if (TryTakeNow(journalFolder) is { } taken)
                    return taken;
                wanted ??= Guard(journalFolder, () => LockedFolder.TryWant(journalFolder));
                if (retry.IsOver)
                {
                    throw new JournalException(
                        $"Another process, or another call of this one, is changing layouts on this machine: it holds {journalFolder}. "
                            + "Nothing was changed; try again when it is done.")
                    {
                        IsLocked = true,
                    };
                }

                await Task.Delay(LookInterval, timeProvider, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            wanted?.Dispose();
        }
    }

    /// <summary>Lets others change the GPUs.</summary>
    public void Dispose() => _lock.Dispose();

    private static ChangeLock? TryTakeNow(string journalFolder) =>
        Guard(journalFolder, () => LockedFolder.TryTake(journalFolder) is { } taken ? new ChangeLock(taken) : null);

    private static T Guard<T>(string journalFolder, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException(
                $"The layout cannot be recorded in {journalFolder}, and nothing is changed without that: {e.Message}", e);
        }
    }
}
