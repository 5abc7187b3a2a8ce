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

    /// <summary>Whether the command line names a file.</summary>
    public static bool NamesFile(ParseResult parsed) => parsed.GetValue(LayoutFilePath) is not null;

    /// <summary>The layout of the argument.</summary>
    /// <exception cref="UsageException">The command line has no layout, or a file too.</exception>
    public static LayoutSpec ReadArgument(ParseResult parsed, Argument<string[]> layout)
    {
        string[] words = parsed.GetValue(layout) ?? [];
        if (NamesFile(parsed) == (words.Length > 0))
            throw new UsageException("Name a layout, or a file that has it with --config-file.");
        if (parsed.GetValue(Label) is not null)
            throw new UsageException("--selected-config is the label of a layout in a file: name the file with --config-file.");
        return LayoutSpec.Parse(string.Join(',', words));
    }

    /// <summary>The layout of each of the selected GPUs, from the argument or the file.</summary>
    /// <exception cref="UsageException">The command line has neither or both of layout and file.</exception>
    /// <exception cref="LayoutFileException">The file cannot be parsed, or does not fit this machine.</exception>
    public static RequestedLayouts Read(ParseResult parsed, Machine machine, Argument<string[]> layout)
    {
        if (!NamesFile(parsed) || parsed.GetValue(layout) is { Length: > 0 })
        {
            LayoutSpec spec = ReadArgument(parsed, layout);
            return new RequestedLayouts([.. FindGpus(machine).Select(gpu => new GpuTarget(gpu, spec))], [], []);
        }

        NamedLayout named = Parse(parsed.GetValue(LayoutFilePath)!).GetLayout(parsed.GetValue(Label));
        Dictionary<int, NvmlException> unreadable = [];
        ResolvedLayout resolved = named.Resolve([.. machine.Session.Devices.Select(gpu => Identify(gpu, unreadable))]);
        Dictionary<int, GpuDevice> selected = machine.Gpus().ToDictionary(gpu => gpu.Index);
        return new RequestedLayouts(
            [.. resolved.Gpus.Where(gpu => selected.ContainsKey(gpu.Gpu.Index))
                .Select(gpu => new GpuTarget(selected[gpu.Gpu.Index], gpu.Layout, gpu.IsMigEnabled))],
            [.. resolved.LeftOut.Where(gpu => selected.ContainsKey(gpu.Index))],
            [.. resolved.NotMigCapable.Where(gpu => selected.ContainsKey(gpu.Gpu.Index))])
        {
            Undecided = [.. resolved.Undecided.Where(gpu => selected.ContainsKey(gpu.Index))
                .Select(gpu => (selected[gpu.Index], unreadable[gpu.Index]))],
            Unreadable = unreadable,
        };
    }

    /// <summary>
    /// The GPUs that a layout on the command line is for. One that does not answer is among them, and keeps no other from being changed.
    /// </summary>
    /// <exception cref="NvmlNotSupportedException">A GPU that is named cannot be divided, or none of the machine can.</exception>
    private static IReadOnlyList<GpuDevice> FindGpus(Machine machine) =>
        [.. machine.ReadEach((gpu, _) => gpu).Select(read => read.Error is NvmlNotSupportedException ? throw read.Error : read.Gpu)];

    private static GpuIdentity Identify(GpuDevice gpu, Dictionary<int, NvmlException> unreadable)
    {
        try
        {
            return GpuIdentity.From(gpu);
        }
        catch (NvmlException e)
        {
            unreadable.Add(gpu.Index, e);
            return GpuIdentity.Unreadable(gpu.Index);
        }
    }

    private static LayoutFile Parse(string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new UsageException("--config-file names no file.");
        try
        {
            return path == "-" ? LayoutFile.Read(StandardInput.Open(), "standard input") : LayoutFile.Read(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NvmlException(NvmlReturnCode.OperatingSystem, "open", $"Cannot read the layout file: {e.Message}", e);
        }
    }
}
