using System.Text.Json;
using Nvml.Mig.Interop;

namespace Nvml.Mig.Layouts;

/// <summary>The folder with the record of the last apply, held by one applier at a time.</summary>
internal sealed class ApplyFolder : IDisposable
{
    private const string RecordName = "apply.json";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _folder;
    private readonly FileStream _lock;

    private ApplyFolder(string folder, FileStream @lock)
    {
        _folder = folder;
        _lock = @lock;
    }

    private string RecordFile => Path.Combine(_folder, RecordName);

    /// <summary>
    /// Takes the folder. The lock is the kernel's (flock), not the file: it goes with the process, however that ends.
    /// </summary>
    /// <exception cref="ApplyRecordException">Another applier has it, or it cannot be written.</exception>
    public static ApplyFolder Take(string folder)
    {
        try
        {
            if (OperatingSystem.IsWindows())
                throw new PlatformNotSupportedException("MIG exists on Linux only.");
            Directory.CreateDirectory(folder, OwnerOnly | UnixFileMode.UserExecute);
            FileStreamOptions held = new() { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = OwnerOnly };
            return new ApplyFolder(folder, new FileStream(Path.Combine(folder, "lock"), held));
        }
        catch (IOException e) when (IsLocked(e))
        {
            throw new ApplyRecordException($"Another process is changing layouts on this machine: it holds {folder}. Nothing was changed; try again when it is done.", e) { IsLocked = true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ApplyRecordException($"The layout cannot be recorded in {folder}, and nothing is changed without that: {e.Message}", e);
        }
    }

    /// <summary>The record; null if there is none.</summary>
    /// <exception cref="ApplyRecordException">It cannot be read.</exception>
    public ApplyRecord? Load()
    {
        try
        {
            ApplyRecord? record = JsonSerializer.Deserialize(File.ReadAllBytes(RecordFile), ApplyRecordJson.Default.ApplyRecord);
            return record is { Version: ApplyRecord.CurrentVersion }
                ? record
                : throw new ApplyRecordException($"{RecordFile} is a record of version {record?.Version}; this program reads version {ApplyRecord.CurrentVersion}. Nothing was changed. Move the file away if what it recorded does not matter any more.");
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or NotSupportedException)
        {
            throw new ApplyRecordException($"{RecordFile} cannot be read: {e.Message} Nothing was changed. Move the file away if what it recorded does not matter any more.", e);
        }
    }

    /// <summary>Writes the record in place of the one before: after a crash there is the one or the other, whole.</summary>
    /// <exception cref="ApplyRecordException">It cannot be written.</exception>
    public void Save(ApplyRecord record)
    {
        try
        {
            PrivateFile.Write(RecordFile, JsonSerializer.SerializeToUtf8Bytes(record, ApplyRecordJson.Default.ApplyRecord));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ApplyRecordException($"The layout cannot be recorded in {RecordFile}: {e.Message}", e);
        }
    }

    public void Dispose() => _lock.Dispose();

    /// <summary>EWOULDBLOCK, which .NET has as the HResult of the exception where a file is locked.</summary>
    private static bool IsLocked(IOException e) => e.HResult == LibC.WouldBlock;
}
