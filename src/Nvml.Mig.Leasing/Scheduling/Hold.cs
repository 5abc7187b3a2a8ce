namespace Nvml.Mig.Leasing.Scheduling;

/// <summary>A place that is kept for a reservation.</summary>
internal sealed class Hold(Reservation reservation, Item item)
{
    public Reservation Reservation => reservation;

    public Item Item => item;

    /// <summary>Cached instances in the place, which stay until it is used, and what stands for them meanwhile.</summary>
    public List<(Item Cached, Item StandIn)> Covered { get; } = [];

    public bool IsUsed { get; set; }
}
