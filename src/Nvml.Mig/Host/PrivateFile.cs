namespace Nvml.Mig.Host;

/// <summary>A file of this user's alone, in a <see cref="PrivateFolder"/>.</summary>
internal static class PrivateFile
{
    /// <summary>More than any journal has.</summary>
    private const int MaxBytes = 16 << 20;

    /// <summary>Writes the file. Folders are created as needed.</summary>
    /// <inheritdoc cref="PrivateFolder.Check"/>
    public static void Write(string path, ReadOnlySpan<byte> content, bool toDisk = true)
    {
        PrivateFolder.Create(Path.GetDirectoryName(Path.GetFullPath(path))!);
        AtomicFile.Write(path, content, UnixFileMode.UserRead | UnixFileMode.UserWrite, toDisk);
    }

    /// <summary>Reads the file; null if there is none.</summary>
    /// <inheritdoc cref="PrivateFolder.Check"/>
    public static byte[]? Read(string path)
    {
        try
        {
            PrivateFolder.Check(Path.GetDirectoryName(Path.GetFullPath(path))!);
            return RegularFile.ReadAllBytes(path, MaxBytes, followLinks: false);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
