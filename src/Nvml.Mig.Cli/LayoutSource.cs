using System.CommandLine;
using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli;

/// <summary>Which layout each GPU is to have: one wish for all of them, or what a file says.</summary>
internal static class LayoutSource
{
    private static readonly Option<string?> LayoutFilePath = new("--config-file", "-f")
    {
        Description = "A layout file in place of a wish: mig-parted's format (version: v1) or our own (nvmig: v1); - for standard input.",
        HelpName = "FILE",
    };

    private static readonly Option<string?> Label = new("--selected-config", "-c")
    {
        Description = "The layout of the file, by its label; not needed if there is only one.",
        HelpName = "LABEL",
    };

    /// <summary>The argument for the wish, and the options for a file, added to a command.</summary>
    public static Argument<string[]> AddTo(Command command, string description)
    {
        Argument<string[]> wishes = new("wish") { Description = description, Arity = ArgumentArity.ZeroOrMore, Validators = { Slips.RefuseLongOptions } };
        command.Add(wishes);
        command.Add(LayoutFilePath);
        command.Add(Label);
        return wishes;
    }

    /// <summary>What each GPU is to have, and the GPUs that a file leaves out.</summary>
    /// <exception cref="UsageException">Neither or both of wish and file are named.</exception>
    /// <exception cref="LayoutFileException">The file cannot be understood, or does not fit this machine.</exception>
    public static (IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuDevice> LeftOut) Read(ParseResult parsed, Machine machine, Argument<string[]> wishes)
    {
        string? path = parsed.GetValue(LayoutFilePath);
        string[] words = parsed.GetValue(wishes) ?? [];
        if (path is null == (words.Length == 0))
            throw new UsageException("Name a layout, or with --config-file a file that has it.");
        if (path is not null)
            return ReadFile(machine, path, parsed.GetValue(Label));
        if (parsed.GetValue(Label) is not null)
            throw new UsageException("--selected-config is the label of a layout in a file: name the file with --config-file.");
        LayoutSpec wish = LayoutSpec.Parse(string.Join(',', words));
        return ([.. machine.GpusToChange().Select(gpu => new GpuTarget(gpu, wish))], []);
    }

    private static (IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuDevice> LeftOut) ReadFile(Machine machine, string path, string? label)
    {
        ResolvedLayout resolved = Parse(path).GetLayout(label).Resolve([.. machine.Session.Devices.Select(GpuIdentity.From)]);
        HashSet<int> chosen = [.. machine.Gpus().Select(gpu => gpu.Index)];
        GpuTarget[] targets = [.. resolved.Gpus
            .Where(gpu => chosen.Contains(gpu.Gpu.Index))
            .Select(gpu => new GpuTarget(machine.Session.Devices[gpu.Gpu.Index], gpu.Layout, gpu.IsMigEnabled))];
        return targets.Length > 0
            ? (targets, [.. resolved.LeftOut.Where(gpu => chosen.Contains(gpu.Index)).Select(gpu => machine.Session.Devices[gpu.Index])])
            : throw new UsageException("The layout says nothing of the GPUs that -i names.");
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
