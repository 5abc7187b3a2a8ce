namespace Nvml.Mig.Cli.Arguments;

/// <summary>Standard input, where there is one.</summary>
internal static class StandardInput
{
    /// <summary>O_CLOEXEC of open(2), on x86-64 and arm64.</summary>
    private const int CloseOnExec = 0x80000;

    /// <summary>Opens it.</summary>
    /// <exception cref="IOException">Standard input is closed.</exception>
    public static Stream Open() => IsClosed() ? throw new IOException("standard input is closed.") : Console.OpenStandardInput();

    /// <summary>
    /// With a standard input that was closed, descriptor 0 is the first file that this process itself opened, and reading that may never
    /// end. What a process opens is closed on exec; what it was given cannot be.
    /// </summary>
    private static bool IsClosed()
    {
        try
        {
            string? flags = File.ReadLines("/proc/self/fdinfo/0")
                .FirstOrDefault(line => line.StartsWith("flags:", StringComparison.Ordinal));
            return flags is not null && (Convert.ToInt32(flags["flags:".Length..].Trim(), 8) & CloseOnExec) != 0;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return Directory.Exists("/proc/self/fdinfo");
        }
    }
}
