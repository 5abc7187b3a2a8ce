using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>Labels and annotations as they are to be; null: not there.</summary>
internal sealed class NodeEdit
{
    /// <summary>The server takes 256 KiB of annotations in all.</summary>
    private const int MaxText = 4 << 10;

    private readonly Dictionary<string, string?> _labels = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string?> _annotations = new(StringComparer.Ordinal);

    public NodeEdit Label(string name, string? value)
    {
        _labels[name] = value;
        return this;
    }

    public NodeEdit Annotate(string name, string? value)
    {
        _annotations[name] = value is { Length: > MaxText } ? value[..MaxText] : value;
        return this;
    }

    /// <summary>The difference to the node; null if there is none.</summary>
    public NodePatch? ToPatch(KubeObject node)
    {
        Dictionary<string, string?> labels = Differing(_labels, node.Metadata.Label);
        Dictionary<string, string?> annotations = Differing(_annotations, node.Metadata.Annotation);
        return labels.Count + annotations.Count == 0 ? null : new NodePatch(new NodePatchMetadata(
            node.Metadata.ResourceVersion, labels.Count == 0 ? null : labels, annotations.Count == 0 ? null : annotations));
    }

    private static Dictionary<string, string?> Differing(Dictionary<string, string?> wanted, Func<string, string?> there) =>
        wanted.Where(pair => there(pair.Key) != pair.Value).ToDictionary(StringComparer.Ordinal);
}
