using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>Entries of one kind by their keys, which remembers what is changed and not written yet.</summary>
internal sealed class BookTable<T>(string kind, JsonTypeInfo<T> json) : IBookTable, IEnumerable<T>
    where T : class
{
    private readonly Dictionary<string, T> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _changed = new(StringComparer.Ordinal);

    public string Kind => kind;

    public int Count => _entries.Count;

    public T? Find(string key) => _entries.GetValueOrDefault(key);

    public bool TryGet(string key, [NotNullWhen(true)] out T? entry) => _entries.TryGetValue(key, out entry);

    public void Put(string key, T entry)
    {
        _entries[key] = entry;
        _changed.Add(key);
    }

    public void Remove(string key)
    {
        if (_entries.Remove(key))
            _changed.Add(key);
    }

    public void Load(string key, string value) =>
        _entries[key] = JsonSerializer.Deserialize(value, json) ?? throw new JsonException($"{kind} {key} is empty.");

    public void Clear()
    {
        _entries.Clear();
        _changed.Clear();
    }

    /// <summary>What is to be written: keys, and values or null where the entry is gone.</summary>
    public IEnumerable<(string Key, string? Value)> TakeChanges()
    {
        (string, string?)[] changes = [.. _changed.Select(key =>
            (key, _entries.TryGetValue(key, out T? entry) ? JsonSerializer.Serialize(entry, json) : null))];
        _changed.Clear();
        return changes;
    }

    /// <summary>A copy, so that entries can be changed on the way.</summary>
    public IEnumerator<T> GetEnumerator() => ((IEnumerable<T>)[.. _entries.Values]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

internal interface IBookTable
{
    string Kind { get; }

    void Load(string key, string value);

    void Clear();

    IEnumerable<(string Key, string? Value)> TakeChanges();
}
