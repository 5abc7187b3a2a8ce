using System.Text.Json;
using Nvml.Mig.Host;
using Nvml.Mig.Native;

namespace Nvml.Mig.Applying;

/// <summary>The folder with the record of the last apply, held by one applier at a time.</summary>
internal sealed class Journal : IDisposable
{
    private const string RecordName = "apply.json";
    private const string LockName = "lock";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _folder;
    private readonly FileStream _lock;

    private Journal(string folder, FileStream @lock)
    {
        _folder = folder;
        _lock = @lock;
    }

    /// <summary>
    /// Takes the folder. The lock is the kernel's (flock), not the file: it goes with the process, however that ends.
    /// </summary>
    /// <exception cref="JournalException">Another applier has it, or it cannot be written.</exception>
    public static Journal Take(string folder)
    {
        try
        {
            if (OperatingSystem.IsWindows())
                throw new PlatformNotSupportedException("MIG exists on Linux only.");
            PrivateFolder.Create(folder);
            if (new FileInfo(Path.Combine(folder, LockName)).LinkTarget is { } target)
                throw new UnauthorizedAccessException($"{LockName} in it is a link to {target}.");
            FileStreamOptions held = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = OwnerOnly };
            return new Journal(folder, new FileStream(Path.Combine(folder, LockName), held));
        }
        catch (IOException e) when (IsLocked(e))
        {
            throw new JournalException($"Another process is changing layouts on this machine: it holds {folder}. Nothing was changed; try again when it is done.", e) { IsLocked = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"The layout cannot be recorded in {folder}, and nothing is changed without that: {e.Message}", e);
        }
    }

    /// <summary>The record; null if there is none.</summary>
    /// <exception cref="JournalException">It cannot be read.</exception>
    public JournalEntry? Load() => Load(_folder);

    /// <summary>The record of a folder that is not taken, for those who only look: null if there is none.</summary>
    /// <exception cref="JournalException">It cannot be read.</exception>
    public static JournalEntry? Peek(string folder) => Load(folder);

    private static JournalEntry? Load(string folder)
    {
        string file = Path.Combine(folder, RecordName);
        const string WhatToDo = "Nothing was changed. Move the file away if what it recorded does not matter any more.";
        try
        {
            if (PrivateFile.Read(file) is not { } content)
                return null;
            JournalEntry record = JsonSerializer.Deserialize(content, JournalJson.Default.JournalEntry)
                ?? throw new JsonException("It is empty.");
            if (record.Version != JournalEntry.CurrentVersion)
                throw new JournalException($"{file} is a record of version {record.Version}; this program reads version {JournalEntry.CurrentVersion}. {WhatToDo}");
            record.Check();
            return record;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            throw new JournalException($"{file} cannot be read: {e.Message} {WhatToDo}", e);
        }
    }

    /// <summary>Writes the record in place of the one before: after a crash there is the one or the other, whole.</summary>
    /// <exception cref="JournalException">It cannot be written.</exception>
    public void Save(JournalEntry record)
    {
        string file = Path.Combine(_folder, RecordName);
        try
        {
            PrivateFile.Write(file, JsonSerializer.SerializeToUtf8Bytes(record, JournalJson.Default.JournalEntry));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new JournalException($"The layout cannot be recorded in {file}: {e.Message}", e);
        }
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>EWOULDBLOCK, which .NET has as the HResult of the exception where a file is locked.</summary>
    private static bool IsLocked(IOException e) => LinuxFile.IsLocked(e);
}
