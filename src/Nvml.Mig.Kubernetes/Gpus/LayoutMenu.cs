using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Kubernetes.Nodes;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>The layouts that a label can name, and what they mean for each GPU of this machine.</summary>
internal sealed class LayoutMenu(NvmlSession session, string? file)
{
    /// <summary>The geometries by the GPU's index: they do not change.</summary>
    private readonly Dictionary<int, GpuGeometry> _geometries = [];

    /// <summary>The file is read each time: a mounted ConfigMap changes without a word, and a look is as seldom as it is cheap.</summary>
    private (string Text, LayoutFile File)? _last;

    /// <summary>Finds what is wanted of each GPU.</summary>
    /// <exception cref="LayoutFileException">There is no such layout, or it makes no sense on this machine.</exception>
    /// <exception cref="PlanningException">A layout that is written out cannot be read.</exception>
    public MachineTargets Resolve(WantedLayout wanted) =>
        wanted.IsSpec ? ResolveSpec(wanted.Text) : file is null ? ResolveBuiltIn(wanted.Text) : ResolveNamed(ReadFile(file), wanted.Text);

    private MachineTargets ResolveSpec(string text)
    {
        LayoutSpec spec = LayoutSpec.Parse(text);
        if (spec.IsChange)
        {
            throw new LayoutFileException(
                null, $"'{text}' is a change: the annotation {NodeProtocol.LayoutAnnotation} has the whole layout, without + and -.");
        }

        return ForEach(gpu => new GpuTarget(gpu, spec));
    }

    private MachineTargets ResolveBuiltIn(string name)
    {
        MachineTargets found = ForEach(gpu =>
        {
            if (!_geometries.TryGetValue(gpu.Index, out GpuGeometry? geometry))
                _geometries.Add(gpu.Index, geometry = gpu.ReadGeometry());
            return BuiltInLayouts.TryFind(name, geometry, out LayoutSpec? layout)
                ? new GpuTarget(gpu, layout, layout is not null)
                : throw BuiltInLayouts.Unknown(name, [geometry]);
        });
        return found.Targets.Count > 0 || _geometries.Count == 0 ? found : throw BuiltInLayouts.Unknown(name, _geometries.Values);
    }

    private MachineTargets ResolveNamed(LayoutFile layouts, string name)
    {
        Dictionary<int, NvmlException> unreadable = [];
        ResolvedLayout resolved = layouts.GetLayout(name).Resolve([.. session.Devices.Select(gpu => Identify(gpu, unreadable))]);
        return new MachineTargets(
            [.. resolved.Gpus.Select(gpu => new GpuTarget(session.Devices[gpu.Gpu.Index], gpu.Layout, gpu.IsMigEnabled))],
            [.. resolved.Undecided.Select(gpu => new GpuVerdict(gpu.Index, NodeProtocol.Failed, unreadable[gpu.Index].Message))],
            [
                .. resolved.LeftOut.Select(gpu => $"GPU {gpu.Index}: the layout does not cover it: it stays as it is."),
                .. resolved.NotMigCapable.Where(gpu => gpu.IsMigEnabled)
                    .Select(gpu => $"GPU {gpu.Gpu.Index}: a {gpu.Gpu.Name} cannot be divided: there is nothing to do."),
            ]);
    }

    /// <summary>Each GPU that can be divided. One that does not answer keeps no other from being divided.</summary>
    private MachineTargets ForEach(Func<GpuDevice, GpuTarget> find)
    {
        List<GpuTarget> targets = [];
        List<GpuVerdict> unfit = [];
        foreach (GpuDevice gpu in session.Devices)
        {
            try
            {
                if (gpu.IsMigCapable())
                    targets.Add(find(gpu));
            }
            catch (Exception e) when (e is NvmlException or LayoutFileException or PlanningException)
            {
                unfit.Add(new GpuVerdict(gpu.Index, NodeProtocol.Failed, e.Message));
            }
        }

        return targets.Count + unfit.Count > 0
            ? new MachineTargets(targets, unfit, [])
            : throw new LayoutFileException(null, "No GPU of this machine can be divided.");
    }

    private LayoutFile ReadFile(string path)
    {
        try
        {
            string text = File.ReadAllText(path);
            if (_last is not { } last || last.Text != text)
                _last = (text, LayoutFile.Parse(text, path));
            return _last.Value.File;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new LayoutFileException(null, $"The file of layouts cannot be read: {e.Message}", e);
        }
    }

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
}
