using System.CommandLine;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>The options that every command has.</summary>
internal static class GlobalOptions
{
    public static readonly Option<string[]> Gpu = new("--gpu", "-i")
    {
        Description =
            "The GPUs: index, UUID or PCI bus id; repeated, or separated by commas. Without it, every GPU that supports MIG; for devices "
            + "and doctor, every GPU.",
        HelpName = "GPU",
        Validators = { Typos.RefuseOptions },
        Recursive = true,
    };

    public static readonly Option<bool> Json = new("--json")
    {
        Description = "Print JSON, and nothing else, on standard output.",
        Recursive = true,
    };

    public static readonly Option<string?> Simulate = new("--simulate")
    {
        Description =
            "Use a simulated machine: GPU models with counts, such as A100-SXM4-40GB*8 or A100-SXM4-40GB,H200. Its state is kept between "
            + "commands in the file that NVML_STUB_STATE names, or in the user's own.",
        HelpName = "SPEC",
        Recursive = true,
    };
}
