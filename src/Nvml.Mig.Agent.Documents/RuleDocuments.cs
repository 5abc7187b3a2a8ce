using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;

namespace Nvml.Mig.Agent.Documents;

public sealed record QueuesDocument(IReadOnlyList<QueueEntry> Queues);

public sealed record QueueEntry(
    string Name,
    string? Parent,
    SlicesEntry? Quota,
    SlicesEntry? Limit,
    SlicesEntry? LendingLimit,
    int Weight,
    int Priority,
    IdlePolicy Idle,
    double IdleAfterSeconds,
    SlicesEntry Allocated,
    SlicesEntry NonPreemptible,
    SlicesEntry Requested,
    SlicesEntry FairShare)
{
    public static QueueEntry From(QueueShare share) => new(
        share.Queue.Name,
        share.Queue.Parent,
        SlicesEntry.FromOptional(share.Queue.Quota),
        SlicesEntry.FromOptional(share.Queue.Limit),
        SlicesEntry.FromOptional(share.Queue.LendingLimit),
        share.Queue.Weight,
        share.Queue.Priority,
        share.Queue.Idle,
        share.Queue.IdleAfter.TotalSeconds,
        SlicesEntry.From(share.Allocated),
        SlicesEntry.From(share.NonPreemptible),
        SlicesEntry.From(share.Requested),
        SlicesEntry.From(share.FairShare));
}

public sealed record SlicesEntry(long Compute, long Memory)
{
    public static SlicesEntry From(Slices slices) => new(slices.Compute, slices.Memory);

    public static SlicesEntry? FromOptional(Slices? slices) => slices is { } some ? From(some) : null;

    public Slices ToSlices() => new(Compute, Memory);
}

public sealed record ReservationsDocument(IReadOnlyList<ReservationEntry> Reservations);

public sealed record ReservationEntry(
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
    IReadOnlyList<PlaceEntry> Kept,
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
            [.. state.Kept.Select(p => new PlaceEntry(p.Gpu, p.ProfileId, p.Placement.Start, p.Placement.Size))],
            state.Used,
            state.Missing);
    }
}

public sealed record PlaceEntry(string GpuUuid, int ProfileId, int Start, int Size);

public sealed record PolicyDocument(PolicyEntry Policy);

public sealed record PolicyEntry(
    double VictimDelaySeconds,
    double NoticeSeconds,
    double GraceSeconds,
    bool ReuseAcrossUsers,
    double? KeepRoomAfterSeconds,
    bool WholeGpus = false)
{
    public SchedulerOptions ToPolicy() => new()
    {
        VictimDelay = RequestChecks.ReadTime(VictimDelaySeconds, "victimDelaySeconds"),
        Notice = RequestChecks.ReadTime(NoticeSeconds, "noticeSeconds"),
        Grace = RequestChecks.ReadTime(GraceSeconds, "graceSeconds"),
        ReuseAcrossUsers = ReuseAcrossUsers,
        WholeGpus = WholeGpus,
        KeepRoomAfter = KeepRoomAfterSeconds is { } after ? RequestChecks.ReadTime(after, "keepRoomAfterSeconds") : null,
    };

    public static PolicyEntry From(SchedulerOptions policy) => new(
        policy.VictimDelay.TotalSeconds,
        policy.Notice.TotalSeconds,
        policy.Grace.TotalSeconds,
        policy.ReuseAcrossUsers,
        policy.KeepRoomAfter?.TotalSeconds,
        policy.WholeGpus);
}
