using Microsoft.Win32.SafeHandles;
using Nvml.Mig.Native;

namespace Nvml.Mig.Host;

/// <summary>
/// Reads files that another user may have put there: a regular file of bounded size, and nothing else. A FIFO does not block it, a device
/// such as <c>/dev/zero</c> does not fill the memory.
/// </summary>
public static class RegularFile
{
    /// <summary>Reads a whole file. Links to regular files are followed.</summary>
    /// <param name="path">The file.</param>
    /// <param name="maxBytes">The size that it may have at most.</param>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    /// <exception cref="IOException">It is no regular file, is larger, or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static byte[] ReadAllBytes(string path, int maxBytes) => ReadAllBytes(path, maxBytes, followLinks: true);

    /// <summary>The same; with <paramref name="followLinks"/> false, a link is an error.</summary>
    internal static byte[] ReadAllBytes(string path, int maxBytes, bool followLinks)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegative(maxBytes);
        using SafeFileHandle handle = LinuxFile.OpenRead(path, followLinks, out FileStatus status);
        if (!status.IsRegular)
            throw new IOException($"{path} is not a regular file.");
        if (status.Size > maxBytes)
            throw TooLarge(path, maxBytes);
        // Files of /proc have a size of 0, and others can grow: read until the end.
        using FileStream stream = new(handle, FileAccess.Read, bufferSize: 0);
        byte[] content = new byte[Math.Max(status.Size, 4096)];
        int length = 0;
        for (int read; (read = stream.Read(content, length, content.Length - length)) > 0;)
        {
            length += read;
            if (length > maxBytes)
                throw TooLarge(path, maxBytes);
            if (length == content.Length)
                Array.Resize(ref content, 2 * content.Length);
        }

        return content[..length];
    }

    private static IOException TooLarge(string path, int maxBytes) => new($"{path} is larger than the {maxBytes} bytes that it may have.");
}
