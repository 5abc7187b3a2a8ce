using System.Buffers;

namespace Nvml.Mig.Planning;

/// <summary>Writes down the steps from a state to the layout that was found.</summary>
internal ref struct PlanBuilder
{
    private readonly SnapshotTables _state;
    private readonly Demand _demand;
    private readonly ReadOnlySpan<bool> _stays;
    private readonly Guard _guard;
    private readonly LayoutStep[] _steps;
    private int _count;
    private int _destroyedInUse;

    private PlanBuilder(SnapshotTables state, Demand demand, ReadOnlySpan<bool> stays, Guard guard, LayoutStep[] steps)
    {
        _state = state;
        _demand = demand;
        _stays = stays;
        _guard = guard;
        _steps = steps;
    }

    public static GpuPlan Build(
        SnapshotTables state, Demand demand, ReadOnlySpan<bool> stays, Guard guard, ReadOnlySpan<RowChoice> layout, long value)
    {
        // At most everything that is there goes, and everything that is wanted comes.
        int most = 0;
        for (int i = 0; i < state.Kinds.Length; i++)
            most += 1 + state.Compute[i].Length;
        foreach (RowChoice choice in layout)
            most += 1 + demand.Slots[choice.Slot].Content!.Total;
        LayoutStep[] steps = ArrayPool<LayoutStep>.Shared.Rent(most);
        GpuPlan plan = new PlanBuilder(state, demand, stays, guard, steps).Build(layout, PlanCost.RoomOf(value));
        ArrayPool<LayoutStep>.Shared.Return(steps, clearArray: true);
        return plan;
    }

    private GpuPlan Build(ReadOnlySpan<RowChoice> layout, long room)
    {
        int keptCount = 0;
        foreach (RowChoice choice in layout)
            keptCount += choice.Kept >= 0 ? 1 : 0;
        GpuInstanceSnapshot[] kept = keptCount == 0 ? [] : new GpuInstanceSnapshot[keptCount];
        GpuInstanceSnapshot[] destroyed = keptCount == _state.Kinds.Length ? [] : new GpuInstanceSnapshot[_state.Kinds.Length - keptCount];
        keptCount = 0;
        int destroyedCount = 0;
        for (int i = 0; i < _state.Kinds.Length; i++)
        {
            int slot = -1;
            foreach (RowChoice choice in layout)
                slot = choice.Kept == i ? choice.Slot : slot;
            if (slot >= 0)
            {
                kept[keptCount++] = _state.Instances[i];
                DestroyInside(i, _demand.Slots[slot].Content!);
            }
            else
            {
                destroyed[destroyedCount++] = _state.Instances[i];
                Destroy(i);
            }
        }

        foreach (RowChoice choice in layout)
        {
            ComputeContent content = _demand.Slots[choice.Slot].Content!;
            if (choice.Kept >= 0)
                CreateInside(choice.Kept, content);
            else
                Create(_demand.Slots[choice.Slot].Kind, _state.Geometry.Memory.ToPlacement(choice.Run), content);
        }

        return new GpuPlan(_state.Snapshot, _steps.AsSpan(0, _count).ToArray(), kept, destroyed, _destroyedInUse, room);
    }

    private void Destroy(int index)
    {
        GpuInstanceSnapshot instance = _state.Instances[index];
        for (int i = 0; i < _state.Compute[index].Length; i++)
            DestroyInside(index, i);
        Add(new LayoutStep(LayoutStepKind.DestroyGpuInstance, instance));
        _destroyedInUse += _state.IsInUse[index] ? 1 : 0;
    }

    private void DestroyInside(int index, int computeIndex)
    {
        GpuInstanceSnapshot instance = _state.Instances[index];
        Add(new LayoutStep(LayoutStepKind.DestroyComputeInstance, instance, instance.ComputeInstances[computeIndex]));
        _destroyedInUse += _state.ComputeInUse[index][computeIndex] ? 1 : 0;
    }

    /// <summary>Destroys the compute instances of a GPU instance that the content has no place for.</summary>
    private void DestroyInside(int index, ComputeContent content)
    {
        ReadOnlySpan<RowInstance> there = _state.Compute[index];
        if (there.Length == 0 || IsAsWanted(index, content))
            return;
        Span<RowChoice> chosen = stackalloc RowChoice[Row.MaxLength];
        int count = 0;
        if (!_state.IsAssumed(index))
            Planner.SolveInside(_state, index, content, MustStay(index), chosen, out count);
        for (int i = 0; i < there.Length; i++)
        {
            bool isKept = false;
            foreach (RowChoice choice in chosen[..count])
                isKept |= choice.Kept == i;
            if (!isKept)
                DestroyInside(index, i);
        }
    }

    /// <summary>Creates what a GPU instance that is there lacks.</summary>
    private void CreateInside(int index, ComputeContent content)
    {
        if (IsAsWanted(index, content))
            return;
        GpuInstanceSnapshot instance = _state.Instances[index];
        if (content.IsAssumed)
        {
            CreateAssumed(instance, content);
            return;
        }

        Span<RowChoice> chosen = stackalloc RowChoice[Row.MaxLength];
        Planner.SolveInside(_state, index, content, MustStay(index), chosen, out int count);
        CreateChosen(instance, _state.Kinds[index], content, chosen[..count]);
    }

    private readonly ReadOnlySpan<bool> MustStay(int index) => Planner.MustStayInside(_state, index, _stays[index], _guard);

    private readonly bool IsAsWanted(int index, ComputeContent content) =>
        content.IsWhole
            ? _state.Compute[index].Length == 1 && _state.IsWholeOrEmpty[index]
            : _state.IsAssumed(index) && content.Equals(_state.Contents[index]);

    private void Create(int kind, Placement placement, ComputeContent content)
    {
        GpuInstanceSnapshot instance = new(_state.Geometry.Profiles[kind].Profile, placement);
        Add(new LayoutStep(LayoutStepKind.CreateGpuInstance, instance));
        if (content.IsAssumed)
        {
            CreateAssumed(instance, content);
            return;
        }

        Span<RowChoice> chosen = stackalloc RowChoice[Row.MaxLength];
        Planner.SolveInside(_state.Geometry.Compute[kind]!, [], [], content, [], chosen, out int count);
        CreateChosen(instance, kind, content, chosen[..count]);
    }

    /// <summary>The largest first: then there is room for all, where the driver aligns them and where it does not.</summary>
    private void CreateAssumed(GpuInstanceSnapshot instance, ComputeContent content)
    {
        foreach (RowSlot slot in content.Slots)
        {
            string name = slot.Kind == instance.Profile.SliceCount ? instance.Profile.Name : $"{slot.Kind}c.{instance.Profile.Name}";
            ComputeInstanceSnapshot inside = new(null, slot.Start >= 0 ? new Placement(slot.Start, slot.Kind) : null)
            {
                Name = name,
                SliceCount = slot.Kind,
            };
            for (int i = 0; i < slot.Count; i++)
                Add(new LayoutStep(LayoutStepKind.CreateComputeInstance, instance, inside));
        }
    }

    /// <summary>Slots with starts come first and in the order of the spec: the driver numbers compute instances as they come.</summary>
    private void CreateChosen(GpuInstanceSnapshot instance, int kind, ComputeContent content, scoped ReadOnlySpan<RowChoice> chosen)
    {
        ComputeTables compute = _state.Geometry.Compute[kind]!;
        for (int slot = 0; slot < content.Slots.Length; slot++)
        {
            foreach (RowChoice choice in chosen)
            {
                if (choice.Slot == slot && choice.Kept < 0 && content.Slots[slot].Start >= 0)
                    Add(Step(choice));
            }
        }

        foreach (RowChoice choice in chosen)
        {
            if (choice.Kept < 0 && content.Slots[choice.Slot].Start < 0)
                Add(Step(choice));
        }

        LayoutStep Step(RowChoice choice) => new(
            LayoutStepKind.CreateComputeInstance,
            instance,
            new ComputeInstanceSnapshot(compute.Profiles[content.Slots[choice.Slot].Kind].Profile, compute.Row.ToPlacement(choice.Run)));
    }

    private void Add(LayoutStep step) => _steps[_count++] = step;
}
