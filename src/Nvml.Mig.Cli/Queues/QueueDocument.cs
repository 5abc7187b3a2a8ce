using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Queues;

/// <summary>The document of the commands on queues.</summary>
internal sealed record QueuesDocument(IReadOnlyList<QueueEntry> Queues, ErrorEntry? Error);
