using Nvml.Mig.Cli.Output;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Cli.Reservations;

/// <summary>The document of the commands on reservations.</summary>
internal sealed record ReservationsDocument(IReadOnlyList<ReservationEntry> Reservations, ErrorEntry? Error);

internal sealed record ReservationEntry(
    string Id,
    string? Queue,
    uint? Uid,
    string? Label,
    string? Profile,
    int Count,
    string? Model,
    DateTimeOffset Start,
    DateTimeOffset End,
    bool Lendable,
    IReadOnlyList<ReservedPlaceEntry> Kept,
    int Used,
    int Missing)
{
    public static ReservationEntry From(ReservationState state)
    {
        Reservation reservation = state.Reservation;
        return new ReservationEntry(
            reservation.Id,
            reservation.Queue,
            reservation.Owner?.Uid,
            reservation.Owner?.Label,
            reservation.Profile,
            reservation.Count,
            reservation.Model,
            reservation.Start,
            reservation.End,
            reservation.IsLendable,
            [.. state.Kept.Select(p => new ReservedPlaceEntry(p.Gpu, p.ProfileId, p.Placement.Start, p.Placement.Size))],
            state.Used,
            state.Missing);
    }
}

internal sealed record ReservedPlaceEntry(string GpuUuid, int ProfileId, int Start, int Size);
