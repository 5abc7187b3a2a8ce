using System.Globalization;

namespace Nvml.Mig.Agent.Callers;

/// <summary>
/// The users and groups of /etc/passwd and /etc/group. Those of a directory service are known by number only: a connection says which
/// groups its user is in.
/// </summary>
internal sealed class Accounts(string passwd = "/etc/passwd", string group = "/etc/group")
{
    private readonly string[][] _users = ReadFields(passwd);
    private readonly string[][] _groups = ReadFields(group);

    /// <summary>The number of a user, by name or number; null if there is no such name.</summary>
    public uint? FindUser(string nameOrNumber) => Find(_users, nameOrNumber);

    /// <summary>The number of a group, by name or number; null if there is no such name.</summary>
    public uint? FindGroup(string nameOrNumber) => Find(_groups, nameOrNumber);

    /// <summary>The groups of a user who is known by number only.</summary>
    public IReadOnlyList<uint> GroupsOf(uint uid)
    {
        string number = uid.ToString(CultureInfo.InvariantCulture);
        string[]? user = Array.Find(_users, fields => fields.Length > 3 && fields[2] == number);
        if (user is null)
            return [];
        IEnumerable<string> others = _groups
            .Where(fields => fields.Length > 3 && fields[3].Split(',').Contains(user[0], StringComparer.Ordinal))
            .Select(fields => fields[2]);
        return [.. others.Prepend(user[3]).Select(Parse).OfType<uint>().Distinct()];
    }

    private static uint? Find(string[][] accounts, string nameOrNumber) =>
        Parse(nameOrNumber) ?? Parse(Array.Find(accounts, fields => fields.Length > 2 && fields[0] == nameOrNumber)?[2]);

    private static uint? Parse(string? text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint number) ? number : null;

    private static string[][] ReadFields(string file) =>
        File.Exists(file) ? [.. File.ReadLines(file).Select(line => line.Split(':'))] : [];
}
