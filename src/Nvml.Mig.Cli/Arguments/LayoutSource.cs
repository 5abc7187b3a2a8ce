using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>The layout for each GPU: one argument for all of them, or a file.</summary>
internal static class LayoutSource
{
    private static readonly Option<string?> LayoutFilePath = new("--config-file", "-f")
    {
        Description = "A layout file instead of a layout: mig-parted's format (version: v1) or our own (nvmig: v1); - for standard input.",
        HelpName = "FILE",
    };

    private static readonly Option<string?> Label = new("--selected-config", "-c")
    {
        Description = "The label of the layout in the file; not needed if there is only one.",
        HelpName = "LABEL",
    };

    /// <summary>Adds the argument for the layout and the options for a file to a command, and returns the argument.</summary>
    public static Argument<string[]> AddTo(Command command, string description)
    {
        Argument<string[]> layout = new("layout")
        {
            Description = description,
            Arity = ArgumentArity.ZeroOrMore,
            Validators = { Typos.RefuseLongOptions },
        };
        command.Add(layout);
        command.Add(LayoutFilePath);
        command.Add(Label);
        return layout;
    }

    /// <summary>The layout for each GPU, and the GPUs that a file leaves out.</summary>
    /// <exception cref="UsageException">Neither or both of layout and file are named.</exception>
    /// <exception cref="LayoutFileException">The file cannot be parsed, or does not fit this machine.</exception>
    public static (IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuDevice> LeftOut) Read(
        ParseResult parsed, Machine machine, Argument<string[]> layout)
    {
        string? path = parsed.GetValue(LayoutFilePath);
        string[] words = parsed.GetValue(layout) ?? [];
        if (path is null == (words.Length == 0))
            throw new UsageException("Name a layout, or a file that has it with --config-file.");
        if (path is not null)
            return ReadFile(machine, path, parsed.GetValue(Label));
        if (parsed.GetValue(Label) is not null)
            throw new UsageException("--selected-config is the label of a layout in a file: name the file with --config-file.");
        LayoutSpec spec = LayoutSpec.Parse(string.Join(',', words));
        return ([.. machine.GpusToChange().Select(gpu => new GpuTarget(gpu, spec))], []);
    }

    private static (IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuDevice> LeftOut) ReadFile(
        Machine machine, string path, string? label)
    {
        ResolvedLayout resolved = Parse(path).GetLayout(label).Resolve([.. machine.Session.Devices.Select(GpuIdentity.From)]);
        HashSet<int> chosen = [.. machine.Gpus().Select(gpu => gpu.Index)];
        GpuTarget[] targets = [.. resolved.Gpus
            .Where(gpu => chosen.Contains(gpu.Gpu.Index))
            .Select(gpu => new GpuTarget(machine.Session.Devices[gpu.Gpu.Index], gpu.Layout, gpu.IsMigEnabled))];
        return targets.Length > 0
            ? (targets, [.. resolved.LeftOut.Where(gpu => chosen.Contains(gpu.Index)).Select(gpu => machine.Session.Devices[gpu.Index])])
            : throw new UsageException("The layout covers none of the GPUs that -i names.");
    }

    private static LayoutFile Parse(string path)
    {
        try
        {
            return path == "-" ? LayoutFile.Parse(Console.In.ReadToEnd(), "standard input") : LayoutFile.Read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NvmlException(NvmlReturnCode.OperatingSystem, "open", $"Cannot read the layout file: {e.Message}", e);
        }
    }
}
