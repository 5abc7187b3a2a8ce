using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Hosting;
using Nvml.Mig.Kubernetes;

namespace Nvml.Mig.Agent.Options;

/// <summary>The agent's configuration: docs/agent.md has it.</summary>
internal sealed class AgentOptions
{
    public const string DefaultSocket = AgentAddress.DefaultSocket;

    /// <summary>The unix socket that it listens on.</summary>
    public string Socket { get; set; } = DefaultSocket;

    /// <summary>The group whose members may do all, as root may; by name or number. Null: only root may.</summary>
    public string? Group { get; set; }

    /// <summary>The users and groups that may claim in a queue. A queue that is not named here is everybody's.</summary>
    public Dictionary<string, QueueAccess> Queues { get; set; } = new(StringComparer.Ordinal);

    /// <summary>The library of the driver; null: the one that there is.</summary>
    public string? LibraryPath { get; set; }

    /// <summary>The layout that is made at the start where nobody leases.</summary>
    public BaselineOptions Baseline { get; set; } = new();

    /// <summary>How leases are kept. Clients do not wait without end for another process that changes GPUs.</summary>
    public LeaseHostingOptions Leasing { get; set; } = new() { LockTimeout = TimeSpan.FromSeconds(30) };

    /// <summary>A TCP port besides; without a port there is none.</summary>
    public TcpOptions Tcp { get; set; } = new();

    public LimitOptions Limits { get; set; } = new();

    /// <summary>The Kubernetes node whose labels say how the GPUs are divided. Without it, no API server is asked for anything.</summary>
    public KubernetesOptions? Kubernetes { get; set; }

    /// <summary>How long requests under way may take to end when the agent is told to stop.</summary>
    public TimeSpan StopTimeout { get; set; } = TimeSpan.FromSeconds(10);
}

/// <summary>The users and groups that may claim in a queue, by name or number.</summary>
internal sealed class QueueAccess
{
    public List<string> Users { get; set; } = [];

    public List<string> Groups { get; set; } = [];
}

/// <summary>A layout of a file.</summary>
internal sealed class BaselineOptions
{
    public string? File { get; set; }

    /// <summary>The label of the layout; not needed if there is only one.</summary>
    public string? Layout { get; set; }
}

/// <summary>A TCP port.</summary>
internal sealed class TcpOptions
{
    public string Address { get; set; } = "127.0.0.1";

    /// <summary>The port; 0: none.</summary>
    public int Port { get; set; }

    /// <summary>The file that says who has which token or client certificate.</summary>
    public string? CallersFile { get; set; }

    /// <summary>The server's certificate, as PEM; null: no TLS.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>Its key, as PEM.</summary>
    public string? KeyFile { get; set; }
}

/// <summary>The limits of one client, and of all.</summary>
internal sealed class LimitOptions
{
    public int MaxBodyBytes { get; set; } = 64 << 10;

    public int MaxConnections { get; set; } = 512;

    public int MaxConnectionsPerUser { get; set; } = 128;

    public int MaxEventReaders { get; set; } = 64;

    public int MaxEventReadersPerUser { get; set; } = 8;

    /// <summary>How many claims of a user may wait.</summary>
    public int MaxWaitingPerUser { get; set; } = 100;

    /// <summary>How long a request may wait for a lease.</summary>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a claim waits on after the request has ended, until it is asked for again.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the head of a request may take.</summary>
    public TimeSpan HeadTimeout { get; set; } = TimeSpan.FromSeconds(5);
}
