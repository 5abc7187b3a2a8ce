using System.Diagnostics;
using System.Globalization;
using System.Numerics;

namespace Nvml.Mig.Planning;

/// <summary>
/// Instances that are wanted: a number of one kind and, of GPU instances, of one content; or one of them at a start.
/// </summary>
internal readonly record struct RowSlot(int Kind, int Count, int Start = -1, ComputeContent? Content = null)
{
    /// <summary>The same as text, to compare.</summary>
    public string Key => string.Create(CultureInfo.InvariantCulture, $"{Kind}*{Count}:{Start} {Content?.Key}");

    public bool IsLike(RowSlot other) => Kind == other.Kind && Start == other.Start && Content!.Equals(other.Content);

    /// <summary>In a fixed order, whatever the order of the spec.</summary>
    public static int Compare(RowSlot a, RowSlot b) =>
        a.Kind != b.Kind ? a.Kind.CompareTo(b.Kind)
        : a.Start != b.Start ? a.Start.CompareTo(b.Start)
        : string.CompareOrdinal(a.Content?.Key, b.Content?.Key);
}

/// <summary>An instance that exists. One that must stay keeps its place; all others are kept where that is best.</summary>
internal readonly record struct RowInstance(int Kind, Run Run, bool MustStay = false);

/// <summary>An instance of the solution: of a slot, at a place; the existing instance that it keeps, or -1 to create one.</summary>
internal record struct RowChoice(int Slot, Run Run, int Kept);

/// <summary>
/// Finds the best way to have exactly the wanted instances in a row, given those that are there.
/// </summary>
/// <remarks>
/// <para>
/// Best is, in this order: the most gained by instances that stay; the most <see cref="PlanCost.RoomOf">room</see> left; the lowest starts,
/// read from the left. It is an exact search from left to right. The gain that is still possible depends on where we are and on what is
/// still to be placed, not on how that came about, so that each such pair is solved once. Of the wanted instances only the number for each
/// shape matters; how many of a kind have stayed is counted only where it can be too many.
/// </para>
/// <para>
/// Limits on numbers are not checked here: the wanted instances are given, so that a limit holds for all solutions or for none.
/// </para>
/// </remarks>
internal ref struct RowSolver
{
    private readonly Row _row;
    private readonly ReadOnlySpan<RowSlot> _slots;
    private readonly ReadOnlySpan<RowInstance> _instances;
    private readonly ReadOnlySpan<long> _gains;

    /// <summary>Room in the free units from a to b, at a * (length + 1) + b.</summary>
    private readonly Span<long> _room;
    private readonly Span<sbyte> _instanceAt;
    private readonly Span<sbyte> _fixedAt;

    // The instances still to be placed are one number of counters: for each shape all that is left, for a tracked slot how many may still
    // stay.
    private readonly Span<byte> _shapeShift;
    private readonly Span<byte> _shapeWidth;
    private readonly Span<byte> _slotShift;
    private readonly Span<byte> _slotWidth;
    private readonly int _bits;

    /// <summary>Starts that cannot be passed over: of instances that must stay, and of slots with a start.</summary>
    private ulong _fixedStarts;

    private SolvedValues _solved;

    private RowSolver(
        Row row,
        ReadOnlySpan<RowSlot> slots,
        ReadOnlySpan<RowInstance> instances,
        ReadOnlySpan<long> gains,
        Span<long> room,
        Span<sbyte> bytes)
    {
        _row = row;
        _slots = slots;
        _instances = instances;
        _gains = gains;
        _room = room;
        _instanceAt = bytes[..row.Length];
        _fixedAt = bytes.Slice(row.Length, row.Length);
        Span<byte> fields = System.Runtime.InteropServices.MemoryMarshal.AsBytes(bytes[(2 * row.Length)..]);
        _shapeShift = fields[..row.Shapes.Length];
        _shapeWidth = fields.Slice(row.Shapes.Length, row.Shapes.Length);
        fields = fields[(2 * row.Shapes.Length)..];
        _slotShift = fields[..slots.Length];
        _slotWidth = fields.Slice(slots.Length, slots.Length);

        _instanceAt.Fill(-1);
        _fixedAt.Fill(-1);
        for (int i = 0; i < instances.Length; i++)
        {
            _instanceAt[instances[i].Run.Start] = (sbyte)i;
            if (instances[i].MustStay)
                _fixedStarts |= 1UL << instances[i].Run.Start;
        }

        Start = 0;
        _bits = 0;
        for (int shape = 0; shape < row.Shapes.Length; shape++)
        {
            int count = 0;
            foreach (RowSlot slot in slots)
                count += slot.Start < 0 && row.ShapeOf[slot.Kind] == shape ? slot.Count : 0;
            AddCounter(_shapeShift, _shapeWidth, shape, count, ref _bits);
        }

        for (int i = 0; i < slots.Length; i++)
        {
            if (slots[i].Start >= 0)
            {
                _fixedAt[slots[i].Start] = (sbyte)i;
                _fixedStarts |= 1UL << slots[i].Start;
            }

            AddCounter(_slotShift, _slotWidth, i, CountToTrack(i), ref _bits);
        }

        if (_bits > 58)
            throw new InvalidOperationException(
                $"{slots.Length} kinds of instances with {instances.Length} there already are more than this can count.");
    }

    private ulong Start { get; set; }

    /// <summary>Solves; allocates nothing.</summary>
    /// <param name="row">The row.</param>
    /// <param name="slots">The instances that are wanted.</param>
    /// <param name="instances">The instances that are there; no two overlap.</param>
    /// <param name="gains">
    /// For each instance and each slot (at instance * slots + slot) what it gains to keep the one as the other, at least
    /// <see cref="PlanCost.Gain">one instance</see>; <see cref="PlanCost.None"/> if that cannot be. Slots of other kinds are not looked at.
    /// </param>
    /// <param name="roomFor">Whether room for a kind counts: no more of it may be allowed, whatever is free.</param>
    /// <param name="chosen">Receives the solution by start: as long as the row.</param>
    /// <param name="count">How many instances the solution has.</param>
    /// <returns>The value, or <see cref="PlanCost.None"/>.</returns>
    public static long Solve(
        Row row,
        ReadOnlySpan<RowSlot> slots,
        ReadOnlySpan<RowInstance> instances,
        ReadOnlySpan<long> gains,
        ReadOnlySpan<bool> roomFor,
        Span<RowChoice> chosen,
        out int count)
    {
        Span<long> room = stackalloc long[(row.Length + 1) * (row.Length + 1)];
        PlanCost.MeasureRoom(row, roomFor, room);
        Span<sbyte> bytes = stackalloc sbyte[2 * (row.Length + row.Shapes.Length + slots.Length)];
        RowSolver solver = new(row, slots, instances, gains, room, bytes);
        long value = solver.Solve(chosen, out count);
        return value;
    }

    /// <summary>
    /// How many instances of a slot's kind may stay must be counted if there are more than the slot wants, or two slots compete.
    /// </summary>
    private readonly int CountToTrack(int slot)
    {
        if (_slots[slot].Start >= 0)
            return 0;
        int there = 0;
        for (int i = 0; i < _instances.Length; i++)
            there += _instances[i].Kind == _slots[slot].Kind && _gains[(i * _slots.Length) + slot] >= 0 ? 1 : 0;
        bool competes = false;
        for (int i = 0; i < _slots.Length; i++)
            competes |= i != slot && _slots[i].Kind == _slots[slot].Kind && _slots[i].Start < 0;
        return competes || there > _slots[slot].Count ? Math.Min(there, _slots[slot].Count) : 0;
    }

    private void AddCounter(Span<byte> shifts, Span<byte> widths, int index, int count, ref int bits)
    {
        int width = BitOperations.Log2((uint)count * 2 | 1); // the bits of the count
        shifts[index] = (byte)bits;
        widths[index] = (byte)width;
        Start |= (ulong)count << bits;
        bits += width;
    }

    private long Solve(Span<RowChoice> chosen, out int count)
    {
        count = 0;
        _solved = new SolvedValues(_row.Length + 1, _bits);
        RowChoice choice = default;
        ulong left = Start;
        long best = Best(0, left);
        int position = 0;
        for (long value = best; value >= 0;)
        {
            value = Search(position, left, value, ref choice, ref left);
            if (value < 0)
                break;
            chosen[count++] = choice;
            position = choice.Run.End;
        }

        NameNew(chosen[..count]);
        _solved.Return();
        return best;
    }

    /// <summary>Of what is created of one shape, the slots that come first stand leftmost.</summary>
    private readonly void NameNew(Span<RowChoice> chosen)
    {
        for (int i = 0; i < chosen.Length; i++)
        {
            if (chosen[i].Slot >= 0)
                continue;
            int shape = -1 - chosen[i].Slot;
            for (int slot = 0; slot < _slots.Length && chosen[i].Slot < 0; slot++)
            {
                if (_slots[slot].Start >= 0 || _row.ShapeOf[_slots[slot].Kind] != shape)
                    continue;
                int used = 0;
                foreach (RowChoice other in chosen)
                    used += other.Slot == slot ? 1 : 0;
                if (used < _slots[slot].Count)
                    chosen[i].Slot = slot;
            }

            Debug.Assert(chosen[i].Slot >= 0, "as many are placed as are wanted");
        }
    }

    private readonly int Left(ulong code, int shape) => (int)(code >> _shapeShift[shape]) & ((1 << _shapeWidth[shape]) - 1);

    private readonly int MayStay(ulong code, int slot) => (int)(code >> _slotShift[slot]) & ((1 << _slotWidth[slot]) - 1);

    /// <summary>The best value of what lies at and behind a position, where an instance has just ended.</summary>
    private long Best(int position, ulong code)
    {
        if (_solved.TryGet(position, code, out long known))
            return known;
        long value = Explore(position, code);
        _solved.Set(position, code, value);
        return value;
    }

    private long Explore(int position, ulong code)
    {
        RowChoice choice = default;
        ulong left = 0;
        return Search(position, code, long.MaxValue, ref choice, ref left);
    }

    /// <summary>
    /// Tries everything that can come next: nothing, or an instance at some start, and returns the best value. Looking for a value that
    /// is known to be there, it stops at the first choice that has it and returns the value of the rest; if that choice is nothing, it
    /// returns <see cref="PlanCost.None"/>.
    /// </summary>
    private long Search(int position, ulong code, long wanted, ref RowChoice choice, ref ulong left)
    {
        long best = PlanCost.None;
        int width = _row.Length + 1;
        int unitsLeft = 0;
        for (int shape = 0; shape < _shapeWidth.Length; shape++)
            unitsLeft += Left(code, shape) * _row.SmallestSize[shape];
        if (unitsLeft == 0 && _fixedStarts >> position == 0)
        {
            best = _room[(position * width) + _row.Length];
            if (best == wanted)
                return PlanCost.None;
        }

        for (int start = position; start < _row.Length && start + unitsLeft <= _row.Length; start++)
        {
            Next next = new(start, code, _room[(position * width) + start]);
            long rest = Keep(next, wanted, ref best, ref choice, ref left);
            if (rest < 0)
                rest = Create(next, wanted, ref best, ref choice, ref left);
            if (rest >= 0)
                return rest;
            if ((_fixedStarts >> start & 1) != 0)
                break;
        }

        return wanted == long.MaxValue ? best : PlanCost.None;
    }

    /// <summary>Tries to keep the instance that is there, as any of the slots that it can be.</summary>
    private long Keep(in Next next, long wanted, ref long best, ref RowChoice choice, ref ulong left)
    {
        int there = _instanceAt[next.Start];
        if (there < 0 || !IsFree(_instances[there].Run))
            return PlanCost.None;
        RowInstance instance = _instances[there];
        int fixedSlot = _fixedAt[next.Start];
        int shape = _row.ShapeOf[instance.Kind];
        for (int slot = 0; slot < _slots.Length; slot++)
        {
            if (_slots[slot].Kind != instance.Kind || (fixedSlot >= 0 ? slot != fixedSlot : _slots[slot].Start >= 0))
                continue;
            long gain = _gains[(there * _slots.Length) + slot];
            if (gain < 0)
                continue;
            ulong rest = next.Code;
            if (fixedSlot < 0)
            {
                if (Left(rest, shape) == 0 || (_slotWidth[slot] > 0 && MayStay(rest, slot) == 0))
                    continue;
                rest -= 1UL << _shapeShift[shape];
                if (_slotWidth[slot] > 0)
                    rest -= 1UL << _slotShift[slot];
            }

            long value = Best(instance.Run.End, rest);
            if (value < 0)
                continue;
            best = Math.Max(best, next.Gap + gain + value);
            if (next.Gap + gain + value == wanted)
            {
                choice = new RowChoice(slot, instance.Run, there);
                left = rest;
                return value;
            }
        }

        return PlanCost.None;
    }

    /// <summary>Tries to create an instance of each shape that is left; of what is there, it takes the place if it may.</summary>
    private long Create(in Next next, long wanted, ref long best, ref RowChoice choice, ref ulong left)
    {
        int there = _instanceAt[next.Start];
        if (there >= 0 && _instances[there].MustStay)
            return PlanCost.None;
        int fixedSlot = _fixedAt[next.Start];
        foreach (ShapedRun run in _row.RunsFrom[next.Start])
        {
            Run place = new((byte)next.Start, run.Size);
            if ((fixedSlot >= 0 ? _row.ShapeOf[_slots[fixedSlot].Kind] != run.Shape : Left(next.Code, run.Shape) == 0) || !IsFree(place))
                continue;
            ulong rest = fixedSlot >= 0 ? next.Code : next.Code - (1UL << _shapeShift[run.Shape]);
            long value = Best(place.End, rest);
            if (value < 0)
                continue;
            best = Math.Max(best, next.Gap + value);
            if (next.Gap + value == wanted)
            {
                choice = new RowChoice(fixedSlot >= 0 ? fixedSlot : -1 - run.Shape, place, -1);
                left = rest;
                return value;
            }
        }

        return PlanCost.None;
    }

    /// <summary>Whether nothing that has its place lies in the run, but for what starts where it starts.</summary>
    private readonly bool IsFree(Run run) => ((_fixedStarts & run.Mask) >> run.Start) <= 1;

    /// <summary>A start, what is still to be placed, and the room between the last instance and the start.</summary>
    private readonly record struct Next(int Start, ulong Code, long Gap);
}
