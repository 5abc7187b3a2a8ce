using System.Text.Json;
using Nvml.Mig.Host;

namespace Nvml.Mig.Applying;

/// <summary>The folder with the journal entry of the last apply, held by one applier at a time.</summary>
internal sealed class Journal : IDisposable
{
    private const string EntryName = "apply.json";

    private readonly string _folder;
    private readonly ChangeLock _lock;

    private Journal(string folder, ChangeLock @lock)
    {
        _folder = folder;
        _lock = @lock;
    }

    /// <summary>Takes the right to change the machine; waits for it if that is asked for.</summary>
    /// <exception cref="JournalException">Another process has it, or the folder cannot be written.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static async Task<Journal> TakeAsync(ApplyOptions options, CancellationToken cancellationToken)
    {
        string folder = options.JournalFolder;
        return new Journal(
            folder,
            await ChangeLock.TakeAsync(folder, options.LockTimeout, options.TimeProvider, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>The entry; null if there is none.</summary>
    /// <exception cref="JournalException">It cannot be read.</exception>
    public JournalEntry? Load() => Load(_folder);

    /// <summary>The entry in a folder that is not taken, for a run that changes nothing: null if there is none.</summary>
    /// <exception cref="JournalException">It cannot be read.</exception>
    public static JournalEntry? Peek(string folder) => Load(folder);

    /// <summary>Writes the entry in place of the one before: after a crash there is the one or the other, whole.</summary>
    /// <exception cref="JournalException">It cannot be written.</exception>
    public void Save(JournalEntry entry)
    {
        string file = Path.Combine(_folder, EntryName);
        try
        {
            PrivateFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(entry, JournalJson.Default.JournalEntry));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"The layout cannot be recorded in {file}: {e.Message}", e);
        }
    }

    public void Dispose() => _lock.Dispose();

    private static JournalEntry? Load(string folder)
    {
        string file = Path.Combine(folder, EntryName);
        const string whatToDo = "Nothing was changed. Move the file away if what it recorded does not matter any more.";
        try
        {
            if (PrivateFile.Read(file) is not { } content)
                return null;
            JournalEntry entry = JsonSerializer.Deserialize(content, JournalJson.Default.JournalEntry)
                ?? throw new JsonException("It is empty.");
            if (entry.Version != JournalEntry.CurrentVersion)
            {
                throw new JournalException(
                    $"{file} is a record of version {entry.Version}; this program reads version {JournalEntry.CurrentVersion}. {whatToDo}");
            }

            entry.Check();
            return entry;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            throw new JournalException($"{file} cannot be read: {e.Message} {whatToDo}", e);
        }
    }
}
