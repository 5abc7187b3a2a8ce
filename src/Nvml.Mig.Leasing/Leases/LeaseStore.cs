using System.Globalization;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>
/// The book on disk: an SQLite file in the journal's folder. The right to change GPUs is the right to write it, but for new claims, which
/// anybody may add.
/// </summary>
/// <remarks>
/// Leases do not outlive a boot, so that what a crash of the machine loses of them does not count: synchronous=NORMAL loses the last
/// transactions then, never one in the middle (sqlite.org/pragma.html#pragma_synchronous). The crash of a process loses nothing.
/// </remarks>
internal sealed class LeaseStore : IDisposable
{
    public const string FileName = "leases.db";

    private const int Version = 1;

    /// <summary>As many events as are kept.</summary>
    private const int MaxEvents = 10_000;

    private readonly SqliteConnection _connection;

    private LeaseStore(SqliteConnection connection) => _connection = connection;

    /// <summary>For tests that end the process at a write: called before each, and after.</summary>
    internal static Action<bool>? Writing { get; set; }

    /// <summary>Opens the file, and creates it if it is not there. The folder is there, and private.</summary>
    /// <exception cref="LeaseException">It cannot be opened.</exception>
    public static LeaseStore Open(string folder)
    {
        string file = Path.Combine(folder, FileName);
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = file, Pooling = false }.ToString());
        try
        {
            connection.Open();
            if (!OperatingSystem.IsWindows())
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            LeaseStore store = new(connection);
            store.Execute("PRAGMA busy_timeout=10000; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;");
            store.Prepare(file);
            return store;
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            connection.Dispose();
            throw new LeaseException(LeaseError.Store, $"{file} cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>Opens the file to read it. It must be there.</summary>
    /// <exception cref="LeaseException">There is none, or it cannot be opened.</exception>
    public static LeaseStore OpenToRead(string folder)
    {
        string file = Path.Combine(folder, FileName);
        SqliteConnection connection = new(
            new SqliteConnectionStringBuilder { DataSource = file, Pooling = false, Mode = SqliteOpenMode.ReadWrite }.ToString());
        try
        {
            // Not File.Exists, which takes a folder that is closed to us for an empty one.
            if (!Directory.Exists(folder) || !Directory.EnumerateFiles(folder, FileName).Any())
                throw new LeaseException(LeaseError.NotFound, $"Nothing is leased on this machine: there is no {file}.");
            connection.Open();
            LeaseStore store = new(connection);
            store.Execute("PRAGMA busy_timeout=1000; PRAGMA query_only=ON;");
            if (store.Find("state", "book") is null)
                throw new LeaseException(LeaseError.NotFound, $"Nothing is leased on this machine: {file} is empty.");
            return store;
        }
        catch (Exception e) when (e is SqliteException or IOException or UnauthorizedAccessException)
        {
            connection.Dispose();
            throw new LeaseException(LeaseError.Store, $"{file} cannot be opened: {e.Message}", e);
        }
        catch (LeaseException)
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>A number that changes when another process has written.</summary>
    public long ReadVersion() => Convert.ToInt64(Scalar("PRAGMA data_version"), CultureInfo.InvariantCulture);

    /// <summary>When any process has last had a turn: the time of the file, so that a turn without a result writes nothing.</summary>
    public DateTimeOffset ReadLastTurn() => new(File.GetLastWriteTimeUtc(_connection.DataSource));

    public void NoteTurn(DateTimeOffset now) => File.SetLastWriteTimeUtc(_connection.DataSource, now.UtcDateTime);

    public void Load(Book book) => Guard(() =>
    {
        using SqliteCommand command = Command("SELECT kind, key, value FROM book");
        using SqliteDataReader reader = command.ExecuteReader();
        List<(string, string, string)> rows = [];
        while (reader.Read())
            rows.Add((reader.GetString(0), reader.GetString(1), reader.GetString(2)));
        book.Load(rows);
    });

    /// <summary>Writes what was changed, all of it or nothing.</summary>
    public void Commit(Book book)
    {
        (string Kind, string Key, string? Value)[] changes =
            [.. book.Tables.SelectMany(table => table.TakeChanges().Select(change => (table.Kind, change.Key, change.Value)))];
        if (changes.Length == 0 && book.Events.Count == 0)
            return;
        Writing?.Invoke(false);
        Guard(() =>
        {
            using SqliteTransaction transaction = _connection.BeginTransaction(deferred: false);
            foreach ((string kind, string key, string? value) in changes)
                Write(transaction, kind, key, value);
            foreach (LeaseEvent happened in book.Events)
                Append(transaction, happened);
            transaction.Commit();
        });
        book.Events.Clear();
        Writing?.Invoke(true);
    }

    /// <summary>Adds a claim, without the right to change anything else. False if there is a claim or a lease of that name.</summary>
    public bool TryAdd(WaitingEntry claim)
    {
        bool added = false;
        Writing?.Invoke(false);
        Guard(() =>
        {
            using SqliteCommand command = Command(
                "INSERT INTO book (kind, key, value) SELECT 'claim', $key, $value "
                + "WHERE NOT EXISTS (SELECT 1 FROM book WHERE key = $key AND kind IN ('claim', 'lease'))");
            command.Parameters.AddWithValue("$key", claim.Claim.Id);
            command.Parameters.AddWithValue("$value", JsonSerializer.Serialize(claim, BookJson.Default.WaitingEntry));
            added = command.ExecuteNonQuery() == 1;
        });
        Writing?.Invoke(true);
        return added;
    }

    /// <summary>
    /// Keeps a claim waiting, without the right to change anything else. Whoever has that just now can undo it; then the next time counts.
    /// </summary>
    /// <returns>Whether it waits for longer now.</returns>
    public bool Extend(string id, DateTimeOffset until)
    {
        if (Find("claim", id) is not { } value || JsonSerializer.Deserialize(value, BookJson.Default.WaitingEntry) is not { } entry
            || !(entry.Until < until))
            return false;
        bool isLonger = false;
        Guard(() =>
        {
            using SqliteCommand command = Command("UPDATE book SET value = $new WHERE kind = 'claim' AND key = $key AND value = $old");
            command.Parameters.AddWithValue("$key", id);
            command.Parameters.AddWithValue("$old", value);
            command.Parameters.AddWithValue("$new", JsonSerializer.Serialize(entry with { Until = until }, BookJson.Default.WaitingEntry));
            isLonger = command.ExecuteNonQuery() == 1;
        });
        return isLonger;
    }

    /// <summary>An entry as it is on disk; null if there is none.</summary>
    public string? Find(string kind, string key)
    {
        object? value = null;
        Guard(() =>
        {
            using SqliteCommand command = Command("SELECT value FROM book WHERE kind = $kind AND key = $key");
            command.Parameters.AddWithValue("$kind", kind);
            command.Parameters.AddWithValue("$key", key);
            value = command.ExecuteScalar();
        });
        return value as string;
    }

    /// <summary>What happened after an event, in its order.</summary>
    public IReadOnlyList<LeaseEvent> ReadEvents(long after)
    {
        List<LeaseEvent> events = [];
        Guard(() =>
        {
            using SqliteCommand command = Command("SELECT sequence, value FROM events WHERE sequence > $after ORDER BY sequence");
            command.Parameters.AddWithValue("$after", after);
            using SqliteDataReader reader = command.ExecuteReader();
            while (reader.Read())
            {
                events.Add(JsonSerializer.Deserialize(reader.GetString(1), BookJson.Default.LeaseEvent)! with
                {
                    Sequence = reader.GetInt64(0),
                });
            }
        });
        return events;
    }

    /// <summary>The number of the last event; 0 if there is none.</summary>
    public long ReadLastEvent() =>
        Convert.ToInt64(Scalar("SELECT COALESCE(MAX(sequence), 0) FROM events"), CultureInfo.InvariantCulture);

    /// <summary>Puts what was written on the disk: queues and reservations are to be there after a crash of the machine.</summary>
    public void PutOnDisk() => Execute("PRAGMA wal_checkpoint(FULL)");

    public void Dispose() => _connection.Dispose();

    private void Prepare(string file)
    {
        long version = Convert.ToInt64(Scalar("PRAGMA user_version"), CultureInfo.InvariantCulture);
        if (version > Version)
        {
            throw new LeaseException(
                LeaseError.Store, $"{file} is of version {version}; this program knows version {Version}. Use the program that wrote it.");
        }

        if (version == Version)
            return;
        Execute($"""
            BEGIN IMMEDIATE;
            CREATE TABLE IF NOT EXISTS book (
                kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS events (sequence INTEGER PRIMARY KEY AUTOINCREMENT, value TEXT NOT NULL);
            PRAGMA user_version = {Version};
            COMMIT;
            """);
    }

    private void Write(SqliteTransaction transaction, string kind, string key, string? value)
    {
        using SqliteCommand command = Command(value is null
            ? "DELETE FROM book WHERE kind = $kind AND key = $key"
            : "INSERT INTO book (kind, key, value) VALUES ($kind, $key, $value) ON CONFLICT DO UPDATE SET value = excluded.value");
        command.Transaction = transaction;
        command.Parameters.AddWithValue("$kind", kind);
        command.Parameters.AddWithValue("$key", key);
        if (value is not null)
            command.Parameters.AddWithValue("$value", value);
        command.ExecuteNonQuery();
    }

    private void Append(SqliteTransaction transaction, LeaseEvent happened)
    {
        using SqliteCommand command = Command(
            "INSERT INTO events (value) VALUES ($value); DELETE FROM events WHERE sequence <= last_insert_rowid() - $most");
        command.Transaction = transaction;
        command.Parameters.AddWithValue("$value", JsonSerializer.Serialize(happened, BookJson.Default.LeaseEvent));
        command.Parameters.AddWithValue("$most", MaxEvents);
        command.ExecuteNonQuery();
    }

    private object? Scalar(string text)
    {
        object? value = null;
        Guard(() =>
        {
            using SqliteCommand command = Command(text);
            value = command.ExecuteScalar();
        });
        return value;
    }

    private void Execute(string text) => Guard(() =>
    {
        using SqliteCommand command = Command(text);
        command.ExecuteNonQuery();
    });

    private SqliteCommand Command(string text)
    {
        SqliteCommand command = _connection.CreateCommand();
#pragma warning disable CA2100 // Only texts of this file.
        command.CommandText = text;
#pragma warning restore CA2100
        return command;
    }

    private void Guard(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is SqliteException or JsonException)
        {
            throw new LeaseException(LeaseError.Store, $"{_connection.DataSource} cannot be read or written: {e.Message}", e);
        }
    }
}
