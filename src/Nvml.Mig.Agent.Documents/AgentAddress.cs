using System.Net.Sockets;

namespace Nvml.Mig.Agent.Documents;

/// <summary>Where the agent is, and how it is reached.</summary>
public static class AgentAddress
{
    /// <summary>The unix socket that it listens on unless it is told another.</summary>
    public const string DefaultSocket = "/run/nvml-mig/agent.sock";

    /// <summary>Connects to the agent on a socket.</summary>
    /// <exception cref="SocketException">Nobody answers there.</exception>
    public static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        Socket socket = CreateSocket();
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Whether an agent answers. A socket that one has left behind does not.</summary>
    public static bool IsAnswered(string path)
    {
        if (!File.Exists(path))
            return false;
        using Socket probe = CreateSocket();
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static Socket CreateSocket() => new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
}
