using System.Net.Sockets;
using System.Runtime.InteropServices;
using Nvml.Mig.Host;

namespace Nvml.Mig.Agent.Callers;

/// <summary>Asks the kernel who has connected to a unix socket (unix(7), SO_PEERCRED; socket(7), SO_PEERGROUPS).</summary>
internal static class PeerCredentials
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SoPeerGroups = 59;

    /// <summary>As many groups as a process can be in (NGROUPS_MAX of the kernel).</summary>
    private const int MaxGroups = 65_536;

    /// <summary>The peer as it was when it connected. Later changes of its process do not count.</summary>
    public static Caller Read(Socket socket)
    {
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }
        Span<int> credentials = stackalloc int[3];
        socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(credentials));
        int pid = credentials[0];
        return new Caller(
            (uint)credentials[1],
            [(uint)credentials[2], .. ReadGroups(socket)],
            // 0: a process of another PID namespace that is not below this one.
            pid == 0 ? null : HostProcess.Find(pid));
    }

    private static uint[] ReadGroups(Socket socket)
    {
        foreach (int count in (int[])[64, MaxGroups])
        {
            byte[] groups = new byte[count * sizeof(uint)];
            try
            {
                int size = socket.GetRawSocketOption(SolSocket, SoPeerGroups, groups);
                return MemoryMarshal.Cast<byte, uint>(groups.AsSpan(0, size)).ToArray();
            }
            catch (SocketException) when (count < MaxGroups)
            {
                // ERANGE: there are more.
            }
        }

        return [];
    }
}
