namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>
/// The labels of a node by which it is said, and answered, how its GPUs are to be divided: NVIDIA's, and annotations of ours.
/// </summary>
internal static class NodeProtocol
{
    /// <summary>Which layout of the file is wanted.</summary>
    public const string LayoutLabel = "nvidia.com/mig.config";

    /// <summary>The state of that: one of the values below.</summary>
    public const string StateLabel = "nvidia.com/mig.config.state";

    public const string Success = "success";
    public const string Pending = "pending";
    public const string Failed = "failed";

    /// <summary>The layout itself, as <c>3g.20gb,1g.5gb*3</c>. It counts more than the label.</summary>
    public const string LayoutAnnotation = "nvml-mig/layout";

    /// <summary>Why the state is not success, or what else there is to say.</summary>
    public const string ReasonAnnotation = "nvml-mig/reason";

    /// <summary>
    /// The change under way. It is there from before the first change until pods have been told of the last: whoever finds it at the start
    /// finishes that.
    /// </summary>
    public const string ChangingAnnotation = "nvml-mig/changing";

    public const string Deployed = "true";

    /// <summary>A pod of the operator that is to run, and runs again after the change. The value itself is the record of that.</summary>
    public const string Paused = "paused-for-mig-change";

    private const string DevicePlugin = "nvidia-device-plugin-daemonset";

    /// <summary>
    /// The deploy labels, and the <c>app</c> of their pods. Those of nvsm are not waited for: mig-manager knows no name for them either.
    /// </summary>
    public static IReadOnlyList<(string Label, string? App)> Operands { get; } =
    [
        ("nvidia.com/gpu.deploy.device-plugin", DevicePlugin),
        ("nvidia.com/gpu.deploy.gpu-feature-discovery", "gpu-feature-discovery"),
        ("nvidia.com/gpu.deploy.dcgm-exporter", "nvidia-dcgm-exporter"),
        ("nvidia.com/gpu.deploy.dcgm", "nvidia-dcgm"),
        ("nvidia.com/gpu.deploy.nvsm", null),
    ];

    /// <summary>
    /// The pods that must see new instances: the device plugin lists them when it starts, and the validators check what they can see.
    /// </summary>
    public static IReadOnlyList<string> Renewed { get; } =
        [DevicePlugin, "nvidia-cuda-validator", "nvidia-device-plugin-validator", "nvidia-operator-validator"];

    /// <summary>Whether a label or an annotation has to do with this.</summary>
    public static bool IsOurs(string key) => key.StartsWith("nvidia.com/mig.config", StringComparison.Ordinal)
        || key.StartsWith("nvidia.com/gpu.deploy.", StringComparison.Ordinal)
        || key.StartsWith("nvml-mig/", StringComparison.Ordinal);
}
