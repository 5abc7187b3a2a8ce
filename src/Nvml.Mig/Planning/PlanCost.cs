namespace Nvml.Mig.Planning;

/// <summary>
/// The value of a solution, as one number to compare: instances in use that stay count before all others, then instances that stay, then
/// the room that is left. <see cref="GpuPlan"/> says the same in words.
/// </summary>
internal static class PlanCost
{
    /// <summary>No solution.</summary>
    public const long None = -1;

    private const int RoomBits = 28;
    private const int CountBits = 14;

    /// <summary>The gain of instances that stay.</summary>
    public static long Gain(int inUse, int instances) => ((long)inUse << (CountBits + RoomBits)) | ((long)instances << RoomBits);

    /// <summary>How many instances in use stay in a solution of this value.</summary>
    public static int InUse(long value) => (int)(value >> (CountBits + RoomBits));

    /// <summary>How many instances stay in a solution of this value.</summary>
    public static int Instances(long value) => (int)(value >> RoomBits) & ((1 << CountBits) - 1);

    /// <summary>The room left in a solution of this value.</summary>
    public static long RoomOf(long value) => value & ((1L << RoomBits) - 1);

    /// <summary>
    /// The room in a run of free units: every place that lies in it, of every kind that counts, weighs its size squared. So room for one
    /// large instance is worth more than room for two of half its size: a hole can be divided later, two holes cannot be joined.
    /// </summary>
    public static void MeasureRoom(Row row, ReadOnlySpan<bool> roomFor, Span<long> room)
    {
        int width = row.Length + 1;
        room.Clear();
        for (int kind = 0; kind < roomFor.Length; kind++)
        {
            if (!roomFor[kind])
                continue;
            foreach (Run run in row.Shapes[row.ShapeOf[kind]])
                room[(run.Start * width) + run.End] += run.Size * run.Size;
        }

        for (int size = 2; size <= row.Length; size++)
        {
            for (int from = 0; from + size <= row.Length; from++)
            {
                int at = (from * width) + from + size;
                room[at] += room[at + width] + room[at - 1] - room[at + width - 1];
            }
        }
    }
}
