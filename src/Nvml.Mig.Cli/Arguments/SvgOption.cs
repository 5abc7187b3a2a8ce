using System.CommandLine;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>Where a picture goes, for the commands that draw one.</summary>
internal static class SvgOption
{
    public static readonly Option<string?> File = new("--svg")
    {
        Description = "Also draw it in this file, as SVG; with -, on standard output instead of the text.",
        HelpName = "FILE",
    };

    /// <summary>The file, - or null.</summary>
    /// <exception cref="UsageException">Standard output cannot hold both JSON and a picture.</exception>
    public static string? Get(ParseResult parsed)
    {
        string? file = parsed.GetValue(File);
        return file == "-" && parsed.GetValue(GlobalOptions.Json)
            ? throw new UsageException("--svg - and --json both write to standard output: name a file for the picture.")
            : file;
    }
}
