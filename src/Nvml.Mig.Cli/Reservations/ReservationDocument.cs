using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Reservations;

/// <summary>The document of the commands on reservations.</summary>
internal sealed record ReservationsDocument(IReadOnlyList<ReservationEntry> Reservations, ErrorEntry? Error);
