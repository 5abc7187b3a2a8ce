using Nvml.Mig.Kubernetes.Api;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>The layout that a node asks for.</summary>
/// <param name="Text">The name of a layout, or the layout itself.</param>
/// <param name="IsSpec">Whether it is the layout itself.</param>
internal sealed record WantedLayout(string Text, bool IsSpec)
{
    /// <summary>The layout that a node asks for; null: none. Its GPUs are left alone then.</summary>
    public static WantedLayout? Of(KubeObject node) =>
        node.Metadata.Annotation(NodeProtocol.LayoutAnnotation) is { } spec ? new WantedLayout(spec, IsSpec: true)
        : node.Metadata.Label(NodeProtocol.LayoutLabel) is { Length: > 0 } name ? new WantedLayout(name, IsSpec: false)
        : null;

    public override string ToString() => IsSpec ? $"{Text} ({NodeProtocol.LayoutAnnotation})" : Text;
}
