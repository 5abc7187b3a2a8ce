namespace Nvml.Mig.Planning;

/// <summary>
/// A row of at most 32 units, and kinds of instances that occupy runs of it: the memory slices of a GPU with its GPU instances, and the
/// compute slices of a GPU instance with its compute instances. Kinds that can stand in the same places have the same shape: for the
/// question of what fits they are the same.
/// </summary>
internal sealed class Row
{
    public const int MaxLength = 32;

    /// <summary>How many slices one unit is: an RTX PRO 6000 counts 12 slices, but everything stands on multiples of 3.</summary>
    private readonly int _unit;

    public Row(IReadOnlyList<IReadOnlyList<Placement>> placementsOfKinds, string what)
    {
        _unit = 0;
        foreach (Placement place in placementsOfKinds.SelectMany(p => p))
        {
            if (place.Start < 0 || place.Size <= 0)
                throw Invalid(place, what);
            _unit = GreatestCommonDivisor(_unit, GreatestCommonDivisor(place.Start, place.Size));
        }

        _unit = Math.Max(1, _unit);
        List<Run[]> shapes = [];
        ShapeOf = new int[placementsOfKinds.Count];
        for (int kind = 0; kind < placementsOfKinds.Count; kind++)
        {
            Run[] runs = [.. placementsOfKinds[kind].Distinct().OrderBy(p => p.Start).ThenBy(p => p.Size).Select(p => ToRun(p, what))];
            int shape = shapes.FindIndex(known => known.AsSpan().SequenceEqual(runs));
            if (shape < 0)
            {
                shape = shapes.Count;
                shapes.Add(runs);
            }

            ShapeOf[kind] = shape;
        }

        Shapes = [.. shapes];
        SmallestSize = [.. Shapes.Select(runs => runs.Select(run => (int)run.Size).DefaultIfEmpty(MaxLength + 1).Min())];
        MostTogether = [.. Shapes.Select(CountTogether)];
        Length = Shapes.SelectMany(runs => runs).Select(run => (int)run.End).DefaultIfEmpty().Max();
        RunsFrom = new ShapedRun[Length][];
        for (int start = 0; start < Length; start++)
        {
            RunsFrom[start] = [.. Shapes
                .SelectMany((runs, shape) => runs.Where(run => run.Start == start).Select(run => new ShapedRun((byte)shape, run.Size)))];
        }
    }

    /// <summary>Units.</summary>
    public int Length { get; }

    /// <summary>The places of each shape, by start.</summary>
    public Run[][] Shapes { get; }

    /// <summary>The shape of each kind.</summary>
    public int[] ShapeOf { get; }

    /// <summary>The fewest units that an instance of each shape takes.</summary>
    public int[] SmallestSize { get; }

    /// <summary>How many instances of each shape can stand in the empty row at the same time.</summary>
    public int[] MostTogether { get; }

    /// <summary>The runs that can start at each unit.</summary>
    public ShapedRun[][] RunsFrom { get; }

    public Run ToRun(Placement place) => new((byte)(place.Start / _unit), (byte)(place.Size / _unit));

    public Placement ToPlacement(Run run) => new(run.Start * _unit, run.Size * _unit);

    /// <summary>Whether the run is one of the places of a kind.</summary>
    public bool HasPlace(int kind, Placement place) =>
        place is { Start: >= 0, Size: > 0 } && place.Start <= (MaxLength * _unit) - place.Size
        && place.Start % _unit == 0 && place.Size % _unit == 0
        && Shapes[ShapeOf[kind]].AsSpan().Contains(ToRun(place));

    /// <summary>Of runs, to take the one that ends first is never a wrong choice.</summary>
    private static int CountTogether(Run[] runs)
    {
        int count = 0;
        int end = 0;
        foreach (Run run in runs.OrderBy(r => r.End))
        {
            if (run.Start >= end)
            {
                count++;
                end = run.End;
            }
        }

        return count;
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    private static PlanningException Invalid(Placement place, string what) =>
        new(
            PlanningError.InvalidGeometry,
            place.ToString(),
            $"{place} is not a place in {what}: places are in the first {MaxLength} units.");

    private Run ToRun(Placement place, string what) => place.End / _unit <= MaxLength ? ToRun(place) : throw Invalid(place, what);
}

/// <summary>Units that follow each other.</summary>
internal readonly record struct Run(byte Start, byte Size)
{
    public int End => Start + Size;

    /// <summary>One bit for each unit.</summary>
    public uint Mask => (uint)(((1UL << Size) - 1) << Start);
}

/// <summary>An instance of a shape at a start that is known from where this is kept.</summary>
internal readonly record struct ShapedRun(byte Shape, byte Size);
