using System.CommandLine;

namespace Nvml.Mig.Cli;

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    public static readonly Option<string[]> Gpu = new("--gpu", "-i")
    {
        Description = "The GPUs: index, UUID or PCI bus id; several times, or separated by commas. Without it, every GPU that can be divided; for devices and doctor, every GPU.",
        HelpName = "GPU",
        Validators = { Slips.RefuseOptions },
        Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print JSON, and nothing else, on standard output.",
        Recursive = true,
    };

    public static readonly Option<string?> Simulate = new("--simulate")
    {
        Description = "Use a simulated machine: GPU models with counts, as A100-SXM4-40GB*8 or A100-SXM4-40GB,H200. It keeps its state between commands, in the file that NVML_STUB_STATE names or one of the user's own.",
        HelpName = "SPEC",
        Recursive = true,
    };
}
