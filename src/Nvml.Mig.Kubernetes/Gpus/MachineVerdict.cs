using System.Globalization;
using Nvml.Mig.Applying;
using Nvml.Mig.Kubernetes.Nodes;

namespace Nvml.Mig.Kubernetes.Gpus;

/// <summary>How the GPUs of the machine stand to what is wanted of them.</summary>
/// <param name="Gpus">Each GPU that is meant.</param>
/// <param name="Notes">What else there is to say.</param>
internal sealed record MachineVerdict(IReadOnlyList<GpuVerdict> Gpus, IReadOnlyList<string> Notes)
{
    /// <summary>Why nothing can be compared: there is no such layout, for instance.</summary>
    public string? Impossible { get; init; }

    /// <summary>Whether instances have changed on the way here.</summary>
    public bool HasChanged { get; init; }

    /// <summary>One unfit GPU makes the node failed, whatever the others wait for: somebody has to look.</summary>
    public string State =>
        Impossible is not null || Gpus.Any(g => g.State == NodeProtocol.Failed) ? NodeProtocol.Failed
        : Gpus.Any(g => g.State == NodeProtocol.Pending) ? NodeProtocol.Pending
        : NodeProtocol.Success;

    /// <summary>The changes that can be made now.</summary>
    public IEnumerable<GpuTarget> Ways => Gpus.Select(g => g.Way).OfType<GpuTarget>();

    public bool SwitchesMode => Gpus.Any(g => g.SwitchesMode);

    /// <summary>Why the state is not success, and what else there is to say; null if there is nothing.</summary>
    public string? Reason
    {
        get
        {
            List<string> all = [];
            if (Impossible is not null)
                all.Add(Impossible);
            all.AddRange(Gpus.Where(g => g.Reason.Length > 0).GroupBy(g => g.Reason, StringComparer.Ordinal)
                .Select(same => $"{Name(same)}: {same.Key}"));
            all.AddRange(Notes);
            return all.Count == 0 ? null : string.Join(' ', all);
        }
    }

    /// <summary>The changes, as text for people.</summary>
    public string Describe(WantedLayout wanted) => $"{Name(Gpus.Where(g => g.Way is not null))}: to {wanted}.";

    /// <summary>The same with what became of the GPUs that were changed, where that says more than the look.</summary>
    public MachineVerdict With(IReadOnlyList<GpuVerdict> changed) => this with
    {
        Gpus = [.. Gpus.Select(g =>
            g.State != NodeProtocol.Success && changed.FirstOrDefault(c => c.Gpu == g.Gpu && c.Reason.Length > 0) is { } said
                ? said with { Way = g.Way }
                : g)],
    };

    private static string Name(IEnumerable<GpuVerdict> gpus) =>
        $"GPU {string.Join(", ", gpus.Select(g => g.Gpu.ToString(CultureInfo.InvariantCulture)))}";
}
