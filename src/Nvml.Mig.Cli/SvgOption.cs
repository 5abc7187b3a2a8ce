using System.CommandLine;

namespace Nvml.Mig.Cli;

/// <summary>Where a picture goes, for the commands that draw one.</summary>
internal static class SvgOption
{
    public static readonly Option<string?> File = new("--svg")
    {
        Description = "Draw it in this file too, as an SVG; - for standard output, in place of what would be there.",
        HelpName = "FILE",
    };

    /// <summary>The file, - or null.</summary>
    /// <exception cref="UsageException">Standard output is to hold two things.</exception>
    public static string? Get(ParseResult parsed)
    {
        string? file = parsed.GetValue(File);
        return file == "-" && parsed.GetValue(GlobalOptions.Json)
            ? throw new UsageException("--svg - and --json both want standard output: name a file for the picture.")
            : file;
    }
}
