using Nvml.Mig.Applying;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Cli.Arguments;

/// <summary>The layouts that are asked for.</summary>
/// <param name="Targets">The GPUs to divide. One that does not answer can be among them.</param>
/// <param name="LeftOut">The GPUs without an entry in the file.</param>
/// <param name="NotMigCapable">The GPUs with an entry that cannot be divided.</param>
internal sealed record RequestedLayouts(
    IReadOnlyList<GpuTarget> Targets, IReadOnlyList<GpuIdentity> LeftOut, IReadOnlyList<ResolvedGpu> NotMigCapable)
{
    /// <summary>The GPUs that do not answer, so that it is not known whether the layout is for them.</summary>
    public IReadOnlyList<(GpuDevice Gpu, NvmlException Error)> Undecided { get; init; } = [];

    /// <summary>Why GPUs of the machine do not answer, by their index.</summary>
    public IReadOnlyDictionary<int, NvmlException> Unreadable { get; init; } = new Dictionary<int, NvmlException>();

    /// <summary>Names on standard error the GPUs on which there is nothing to do.</summary>
    public void WriteNotes()
    {
        foreach (GpuIdentity gpu in LeftOut)
        {
            string unread = Unreadable.TryGetValue(gpu.Index, out NvmlException? error) ? $" It cannot be read: {error.Message}" : "";
            Terminal.WriteError($"GPU {gpu.Index}: the layout does not cover it: it stays as it is.{unread}");
        }

        foreach (ResolvedGpu gpu in NotMigCapable)
            Terminal.WriteError($"GPU {gpu.Gpu.Index}: a {gpu.Gpu.Name} cannot be divided: there is nothing to do.");
    }

    /// <summary>The result on the targets, and beside it the GPUs that may have been meant.</summary>
    public ApplyResult Complete(ApplyResult result) => Undecided.Count == 0 ? result : result with
    {
        Gpus = [.. result.Gpus
            .Concat(Undecided.Select(unread => new GpuApplyResult
            {
                Gpu = unread.Gpu,
                Outcome = ApplyOutcome.Refused,
                Error = new NvmlException(
                    unread.Error.Code,
                    unread.Error.Function,
                    $"{unread.Error.Message} It is not known whether the layout is for this GPU.",
                    unread.Error),
            }))
            .OrderBy(gpu => gpu.Gpu.Index)],
    };

    /// <summary>Says on standard error which names mean profiles that the driver of a GPU calls otherwise.</summary>
    public void WriteNotes(ApplyResult result)
    {
        Dictionary<int, LayoutSpec?> layoutOf = Targets.ToDictionary(target => target.Gpu.Index, target => target.Layout);
        foreach (GpuApplyResult gpu in result.Gpus)
        {
            if (gpu.Before is not { } before || layoutOf.GetValueOrDefault(gpu.Gpu.Index) is not { } layout)
                continue;
            foreach (string note in layout.GetNotes(before.Geometry))
                Terminal.WriteError($"GPU {gpu.Gpu.Index}: {note}");
        }
    }
}
