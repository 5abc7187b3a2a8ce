using System.Globalization;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Callers;

/// <summary>
/// The rights of callers. All see all; a user claims for himself, in the queues that he may use, and ends what is his; root and the
/// members of one group may do all.
/// </summary>
internal sealed class Rights
{
    private readonly uint? _group;
    private readonly Dictionary<string, (HashSet<uint> Users, HashSet<uint> Groups)> _queues = new(StringComparer.Ordinal);

    public Rights(IOptions<AgentOptions> options)
    {
        Accounts accounts = new();
        _group = options.Value.Group is { } group ? accounts.FindGroup(group) : null;
        foreach ((string name, QueueAccess access) in options.Value.Queues)
        {
            _queues[name] = (
                [.. access.Users.Select(accounts.FindUser).OfType<uint>()], [.. access.Groups.Select(accounts.FindGroup).OfType<uint>()]);
        }
    }

    public bool MayDoAll(Caller caller) => caller.Uid == 0 || (_group is { } group && caller.Groups.Contains(group));

    public void RequireAll(Caller caller, string what)
    {
        if (!MayDoAll(caller))
            throw Forbidden($"{Name(caller)} may not {what}: root may, and the members of the agent's group.");
    }

    public void RequireOwner(Caller caller, LeaseOwner owner, string what)
    {
        if (caller.Uid != owner.Uid && !MayDoAll(caller))
        {
            string its = owner.Uid.ToString(CultureInfo.InvariantCulture);
            throw Forbidden($"{Name(caller)} may not {what}: it is of uid {its}.");
        }
    }

    public void RequireQueue(Caller caller, string queue)
    {
        if (!MayDoAll(caller)
            && _queues.TryGetValue(queue, out (HashSet<uint> Users, HashSet<uint> Groups) access)
            && !access.Users.Contains(caller.Uid)
            && !access.Groups.Overlaps(caller.Groups))
            throw Forbidden($"{Name(caller)} may not claim in queue {queue}.");
    }

    /// <summary>A process that a lease is to last with: it must be the caller's own, since its end or its life then counts.</summary>
    public HostProcess FindProcess(Caller caller, int pid)
    {
        // The number can come again between the two looks: the process must be the same after them.
        if (HostProcess.Find(pid) is not { } process || UserOf(pid) is not { } uid || !process.IsRunning)
            throw new LeaseException(LeaseError.Invalid, string.Create(CultureInfo.InvariantCulture, $"There is no process {pid}."));
        if (uid != caller.Uid && !MayDoAll(caller))
            throw Forbidden($"{process} is not a process of {Name(caller)}.");
        return process;
    }

    private static LeaseException Forbidden(string message) => new(LeaseError.Forbidden, message);

    private static string Name(Caller caller) => string.Create(CultureInfo.InvariantCulture, $"uid {caller.Uid}");

    private static uint? UserOf(int pid)
    {
        try
        {
            string? line = File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/status"))
                .FirstOrDefault(l => l.StartsWith("Uid:", StringComparison.Ordinal));
            return line is null ? null : uint.Parse(line.Split('\t')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
