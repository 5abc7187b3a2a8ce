using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>
/// The right to change the GPUs of this machine. One process has it at a time; it ends with the process, however that ends. An apply, a
/// rollback and an exclusive run take it by themselves. Take it for changes of your own.
/// </summary>
public sealed class ChangeLock : IDisposable
{
    private readonly IDisposable _lock;

    private ChangeLock(IDisposable @lock) => _lock = @lock;

    /// <summary>Takes the right, if nobody has it.</summary>
    /// <param name="journalFolder">The <see cref="ApplyOptions.JournalFolder"/>. It is created if it is not there.</param>
    /// <returns>The right, until it is disposed; null if somebody else has it.</returns>
    /// <exception cref="JournalException">The folder cannot be used: others can write to it, for instance.</exception>
    public static ChangeLock? TryTake(string journalFolder)
    {
        ArgumentException.ThrowIfNullOrEmpty(journalFolder);
        try
        {
            return LockedFolder.TryTake(journalFolder) is { } taken ? new ChangeLock(taken) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException(
                $"The layout cannot be recorded in {journalFolder}, and nothing is changed without that: {e.Message}", e);
        }
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
        timeProvider ??= TimeProvider.System;
        Retry retry = new(timeout, TimeSpan.FromMilliseconds(5), timeProvider);
        while (true)
        {
            if (TryTake(journalFolder) is { } taken)
                return taken;
            if (retry.IsOver)
            {
                throw new JournalException(
                    $"Another process, or another call of this one, is changing layouts on this machine: it holds {journalFolder}. "
                        + "Nothing was changed; try again when it is done.")
                {
                    IsLocked = true,
                };
            }

            await Task.Delay(retry.NextDelay(), timeProvider, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Lets others change the GPUs.</summary>
    public void Dispose() => _lock.Dispose();
}
