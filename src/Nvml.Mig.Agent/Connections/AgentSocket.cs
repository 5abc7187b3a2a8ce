using System.Net.Sockets;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Host;

namespace Nvml.Mig.Agent.Connections;

/// <summary>
/// The agent's unix socket. Everybody may connect, in a folder that only its owner can write to. A socket that an agent left behind is
/// replaced; one that somebody answers on is not.
/// </summary>
internal sealed class AgentSocket : IDisposable
{
    private const UnixFileMode Everybody = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly string _path;
    private readonly FileStream _lock;

    private AgentSocket(string path, FileStream taken)
    {
        _path = path;
        _lock = taken;
    }

    /// <summary>Takes the path. It is this agent's until the process ends, however that ends.</summary>
    /// <exception cref="IOException">Another agent has it, or others can write to its folder.</exception>
    public static AgentSocket Take(string path)
    {
        string folder = Path.GetDirectoryName(path)!;
        PassableFolder.Create(folder);
        UnixFileMode mode = File.GetUnixFileMode(folder);
        bool canOthersWrite = (mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != UnixFileMode.None;
        if (canOthersWrite && (mode & UnixFileMode.StickyBit) == UnixFileMode.None)
            throw new IOException($"Others can write to {folder}, and could put a socket of theirs there: chmod go-w {folder}");
        FileStream taken;
        try
        {
            // Not shared: that is flock(2), which ends with the process. Whoever can read the file could have it.
            taken = new FileStream(path + ".lock", new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (IOException e)
        {
            throw new IOException($"Another agent has {path}: {e.Message}", e);
        }

        return new AgentSocket(path, taken);
    }

    /// <summary>Binds the socket.</summary>
    /// <exception cref="IOException">Somebody answers there.</exception>
    public Socket Bind()
    {
        if (AgentAddress.IsAnswered(_path))
            throw new IOException($"Somebody answers on {_path} already.");
        File.Delete(_path);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(_path));
            File.SetUnixFileMode(_path, Everybody);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose() => _lock.Dispose();
}
