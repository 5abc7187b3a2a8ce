using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>How a daemon is.</summary>
internal enum MpsCondition
{
    /// <summary>It was not asked for, or has been stopped.</summary>
    Absent,

    /// <summary>It runs and answers, and its server, if it has one, is ACTIVE.</summary>
    Running,

    /// <summary>It runs, and its server is in the state FAULT: new clients cannot start until it is replaced.</summary>
    Faulty,

    /// <summary>It was started and does not run any more: its clients have failed, and new programs would run without limits.</summary>
    Dead,

    /// <summary>Another daemon than the one that we started answers in our folder.</summary>
    Foreign,
}

/// <summary>A client of a server.</summary>
/// <param name="ProcessId">Its process id.</param>
/// <param name="MemoryMiB">Its memory on the device, by NVML; null: not known.</param>
internal sealed record MpsClient(int ProcessId, long? MemoryMiB);

/// <summary>A server, with the caps of the clients that start now.</summary>
/// <param name="Process">Its process.</param>
/// <param name="Status"><c>ACTIVE</c> or <c>FAULT</c>.</param>
/// <param name="Clients">Those that run.</param>
internal sealed record MpsServer(HostProcess Process, string Status, IReadOnlyList<MpsClient> Clients);

/// <summary>A daemon as it was read.</summary>
/// <param name="Device">The UUID of the GPU or MIG device.</param>
/// <param name="Condition">How it is.</param>
/// <param name="User">The user whose programs may use it; null if it was not asked for.</param>
/// <param name="Daemon">Its process; null if there is none of ours.</param>
/// <param name="Caps">What no client's environment can lift; null if nothing was set yet.</param>
/// <param name="Servers">Its servers: without clients often none.</param>
internal sealed record MpsState(
    string Device, MpsCondition Condition, uint? User, HostProcess? Daemon, MpsCaps? Caps, IReadOnlyList<MpsServer> Servers)
{
    public IEnumerable<MpsClient> Clients => Servers.SelectMany(server => server.Clients);
}
