using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Nvml.Mig.Host;

namespace Nvml.Mig.Agent.Callers;

/// <summary>Asks the kernel who has connected to a unix socket (unix(7), SO_PEERCRED and SO_PEERPIDFD; socket(7), SO_PEERGROUPS).</summary>
internal static class PeerCredentials
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;
    private const int SoPeerGroups = 59;
    private const int SoPeerPidFd = 77;

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
            pid == 0 ? null : FindProcess(socket, pid));
    }

    /// <summary>The peer's process. Its number can be another's by now, if it has ended: the kernel's handle of it tells.</summary>
    private static HostProcess? FindProcess(Socket socket, int pid)
    {
        HostProcess? process = HostProcess.Find(pid);
        Span<int> handle = stackalloc int[1];
        try
        {
            socket.GetRawSocketOption(SolSocket, SoPeerPidFd, MemoryMarshal.AsBytes(handle));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ProtocolOption)
        {
            return process; // Linux before 6.5.
        }
        catch (SocketException)
        {
            return null; // It has ended.
        }

        using SafeFileHandle owned = new(handle[0], ownsHandle: true);
        // As long as the handle has the number, so has its process: -1 once it is gone.
        string its = string.Create(CultureInfo.InvariantCulture, $"Pid:\t{pid}");
        string[] about = File.ReadAllLines(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fdinfo/{handle[0]}"));
        return about.Contains(its, StringComparer.Ordinal) ? process : null;
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
