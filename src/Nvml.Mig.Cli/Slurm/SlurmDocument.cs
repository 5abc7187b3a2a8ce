using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Slurm;

/// <summary>The outcome of a job's request.</summary>
internal enum SlurmOutcome
{
    /// <summary>It asked for nothing, or there was nothing to release.</summary>
    Nothing,

    /// <summary>It has a lease.</summary>
    Leased,

    /// <summary>There is no place now: Slurm starts it again later.</summary>
    Requeued,

    /// <summary>It cannot be had on this node: it waits until its user has changed it.</summary>
    Held,

    /// <summary>It was refused and cannot be requeued: an interactive one, for instance.</summary>
    Cancelled,

    /// <summary>It was to be refused, and does not run any more.</summary>
    Gone,

    /// <summary>Its lease was released.</summary>
    Released,
}

/// <summary>The document of <c>slurm prolog</c> and <c>slurm epilog</c>.</summary>
internal sealed record SlurmJobDocument(
    long Job, SlurmOutcome Outcome, IReadOnlyList<LeaseEntry> Leases, string? Reason, ErrorEntry? Error)
{
    /// <summary><c>job 12 is requeued: There is no free place for 7g.40gb.</c></summary>
    public override string ToString()
    {
        string what = Outcome switch
        {
            SlurmOutcome.Leased => $"has {string.Join("; ", Leases.SelectMany(l => l.Instances))}",
            SlurmOutcome.Nothing => "has no lease",
            SlurmOutcome.Gone => "does not run any more",
            _ => $"is {Outcome.ToString().ToLowerInvariant()}",
        };
        return string.Create(CultureInfo.InvariantCulture, $"job {Job} {what}{(Reason is null ? "." : $": {Reason}")}");
    }
}

/// <summary>The document of <c>slurm config</c>.</summary>
internal sealed record SlurmConfigDocument(
    string Node, int Slices, IReadOnlyList<SlurmGpuEntry> Gpus, IReadOnlyList<SlurmFileEntry> Files, ErrorEntry? Error);

/// <summary>A GPU, and why its slices are not counted; null if they are.</summary>
internal sealed record SlurmGpuEntry(int Index, string? Name, int Slices, string? LeftOut, ErrorEntry? Error);

/// <summary>A file of Slurm's configuration: lines of an existing one, or all of a script.</summary>
internal sealed record SlurmFileEntry(string Path, bool IsScript, string Text);
