using System.Buffers;
using System.Numerics;

namespace Nvml.Mig.Planning;

/// <summary>
/// The values that the solver has found: one for each position and number of counters. Few are kept in a table, more in a hash table that
/// grows.
/// </summary>
internal struct SolvedValues
{
    /// <summary>Above this number of entries they are kept in a hash table.</summary>
    private const int MaxTable = 1 << 12;

    private readonly int _bits;
    private long[] _values;
    private ulong[]? _keys;
    private int _count;

    public SolvedValues(int positions, int bits)
    {
        _bits = bits;
        int table = positions << Math.Min(bits, 24);
        _values = ArrayPool<long>.Shared.Rent(MaxTable);
        if (table > MaxTable)
        {
            _keys = ArrayPool<ulong>.Shared.Rent(MaxTable);
            _keys.AsSpan().Clear();
        }
        else
        {
            _values.AsSpan(0, table).Clear();
        }
    }

    public readonly bool TryGet(int position, ulong code, out long value)
    {
        if (_keys is null)
        {
            value = _values[(position << _bits) | (int)code] - 2; // 0 is unknown, and no solution -1
            return value != -2;
        }

        ulong key = KeyOf(position, code);
        int at = Find(key);
        value = _values[at];
        return _keys[at] == key;
    }

    public void Set(int position, ulong code, long value)
    {
        if (_keys is null)
        {
            _values[(position << _bits) | (int)code] = value + 2;
            return;
        }

        if (++_count > _keys.Length / 2)
            Grow();
        ulong key = KeyOf(position, code);
        int at = Find(key);
        _keys[at] = key;
        _values[at] = value;
    }

    /// <summary>Gives the memory back.</summary>
    public readonly void Return()
    {
        ArrayPool<long>.Shared.Return(_values);
        if (_keys is not null)
            ArrayPool<ulong>.Shared.Return(_keys);
    }

    private static ulong KeyOf(int position, ulong code) => ((code << 6) | (uint)position) + 1;

    private readonly int Find(ulong key)
    {
        int mask = (1 << BitOperations.Log2((uint)_keys!.Length)) - 1;
        int at = (int)((key * 0x9E3779B97F4A7C15) >> 40) & mask;
        while (_keys[at] != 0 && _keys[at] != key)
            at = (at + 1) & mask;
        return at;
    }

    private void Grow()
    {
        ulong[] oldKeys = _keys!;
        long[] oldValues = _values;
        _keys = ArrayPool<ulong>.Shared.Rent(oldKeys.Length * 2);
        _values = ArrayPool<long>.Shared.Rent(oldKeys.Length * 2);
        _keys.AsSpan().Clear();
        for (int i = 0; i < oldKeys.Length; i++)
        {
            if (oldKeys[i] == 0)
                continue;
            int at = Find(oldKeys[i]);
            _keys[at] = oldKeys[i];
            _values[at] = oldValues[i];
        }

        ArrayPool<ulong>.Shared.Return(oldKeys);
        ArrayPool<long>.Shared.Return(oldValues);
    }
}
