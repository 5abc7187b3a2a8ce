using System.CommandLine;
using Nvml.Mig.Host;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>Where the host's files are, for the commands that read them.</summary>
internal static class HostOption
{
    public static readonly Option<string?> Root = new("--root")
    {
        Description = "The folder where the host's file system is mounted, for use in a container; by default /.",
        HelpName = "DIR",
    };

    /// <summary>The root that was named, or /.</summary>
    public static HostRoot GetRoot(ParseResult parsed)
    {
        string folder = parsed.GetValue(Root) ?? "/";
        return Path.IsPathFullyQualified(folder) ? new HostRoot(folder) : throw new UsageException($"--root '{folder}' is not absolute.");
    }
}
