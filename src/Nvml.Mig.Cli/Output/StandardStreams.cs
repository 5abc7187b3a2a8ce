using System.Globalization;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// Standard output and standard error as they were when the process began. One that was closed gets no text: its number can belong to a
/// file or a pipe that was opened since, the runtime's own among them.
/// </summary>
internal static class StandardStreams
{
    private const int CloseOnExec = 0x80000;

    /// <summary>Keeps the numbers of closed streams from being given to files that are opened later.</summary>
    private static readonly List<FileStream> Occupied = [];

    public static bool HasOutput { get; private set; }

    public static bool HasError { get; private set; }

    /// <summary>To be called before any file is opened.</summary>
    public static void Examine()
    {
        bool hasInput = IsInherited(0);
        HasOutput = IsInherited(1);
        HasError = IsInherited(2);
        for (int closed = (hasInput ? 0 : 1) + (HasOutput ? 0 : 1) + (HasError ? 0 : 1); closed > 0; closed--)
        {
            try
            {
                Occupied.Add(new FileStream("/dev/null", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return; // Without /dev/null nothing can be kept free.
            }
        }
    }

    /// <summary>A descriptor that came through exec does not close on exec; all that the runtime opens do.</summary>
    private static bool IsInherited(int descriptor)
    {
        try
        {
            foreach (string line in File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{descriptor}")))
            {
                if (line.StartsWith("flags:", StringComparison.Ordinal))
                    return (Convert.ToInt32(line["flags:".Length..].Trim(), 8) & CloseOnExec) == 0;
            }

            return true;
        }
        catch (FileNotFoundException)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true; // Without /proc nobody knows.
        }
    }
}
