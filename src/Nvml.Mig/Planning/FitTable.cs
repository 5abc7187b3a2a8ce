namespace Nvml.Mig.Planning;

/// <summary>
/// For every set of occupied units, and every number of instances of each shape, whether they fit beside each other: one bit each. It
/// answers at once what would take a search. A 7-slice GPU takes 60 KiB and some milliseconds once.
/// </summary>
internal sealed class FitTable
{
    private const int MaxUnits = 12;
    private const long MaxBits = 1 << 24;

    private readonly ulong[] _fits;
    private readonly int _codes;
    private readonly int[] _most;

    private FitTable(ulong[] fits, int codes, int[] most, int[] strides)
    {
        _fits = fits;
        _codes = codes;
        _most = most;
        Strides = strides;
    }

    /// <summary>A number of instances of each shape is one number: the sum of count times stride.</summary>
    public int[] Strides { get; }

    public static FitTable? TryBuild(Row row)
    {
        int[] most = row.MostTogether;
        int[] strides = new int[most.Length];
        long codes = 1;
        for (int shape = 0; shape < most.Length; shape++)
        {
            strides[shape] = (int)codes;
            codes *= most[shape] + 1;
            if (row.Length > MaxUnits || codes << row.Length > MaxBits)
                return null;
        }

        ulong[] fits = new ulong[((codes << row.Length) + 63) / 64];
        // From the fullest: what fits in a set of occupied units is one instance, and what fits beside it in a fuller set.
        for (int occupied = (1 << row.Length) - 1; occupied >= 0; occupied--)
        {
            for (int code = 0; code < codes; code++)
            {
                int shape = most.Length - 1;
                while (shape >= 0 && code / strides[shape] % (most[shape] + 1) == 0)
                    shape--;
                bool fit = shape < 0;
                for (int i = 0; !fit && i < row.Shapes[shape].Length; i++)
                {
                    int mask = (int)row.Shapes[shape][i].Mask;
                    fit = (occupied & mask) == 0 && Get(fits, ((occupied | mask) * codes) + code - strides[shape]);
                }

                if (fit)
                {
                    long at = (occupied * codes) + code;
                    fits[at / 64] |= 1UL << (int)(at % 64);
                }
            }
        }

        return new FitTable(fits, (int)codes, most, strides);
    }

    /// <summary>Whether a number of instances of each shape fits beside what is occupied.</summary>
    public bool Fits(uint occupied, ReadOnlySpan<int> countOfShapes)
    {
        long code = 0;
        for (int shape = 0; shape < countOfShapes.Length; shape++)
        {
            if (countOfShapes[shape] > _most[shape])
                return false;
            code += countOfShapes[shape] * Strides[shape];
        }

        return Get(_fits, (occupied * (long)_codes) + code);
    }

    private static bool Get(ulong[] bits, long at) => (bits[at / 64] >> (int)(at % 64) & 1) != 0;
}
