using System.CommandLine;

namespace Nvml.Mig.Cli;

/// <summary>Where the host's files are, for the commands that look at them.</summary>
internal static class HostOption
{
    public static readonly Option<string?> Root = new("--root")
    {
        Description = "The folder that the host's file system is mounted at, for use in a container; by default /.",
        HelpName = "DIR",
    };

    /// <summary>The root that was named, or /; null on a simulated machine, which has no host unless one is named.</summary>
    public static HostRoot? RootOrNull(ParseResult parsed, bool isSimulated)
    {
        if (parsed.GetValue(Root) is not { } folder)
            return isSimulated ? null : default(HostRoot);
        try
        {
            return new HostRoot(folder);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }
}
