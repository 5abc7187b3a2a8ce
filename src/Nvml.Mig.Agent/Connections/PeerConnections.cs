using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Options;

namespace Nvml.Mig.Agent.Connections;

/// <summary>Notes who is at the other end of a connection to the unix socket, and lets no user have all connections.</summary>
internal sealed class PeerConnections(IOptions<AgentOptions> options)
{
    /// <summary>For root besides: an operator and a probe come through when users have taken all that there are for them.</summary>
    public const int ForRoot = 64;

    private readonly UserCounts _counts = new(options.Value.Limits.MaxConnections, options.Value.Limits.MaxConnectionsPerUser);
    private readonly UserCounts _ofRoot = new(int.MaxValue, options.Value.Limits.MaxConnectionsPerUser);

    public async Task HandleAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        Caller caller = PeerCredentials.Read(connection.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket);
        using IDisposable? taken = (caller.Uid == 0 ? _ofRoot : _counts).TryTake(caller.Uid);
        if (taken is null)
        {
            connection.Abort();
            return;
        }

        connection.Features.Set(caller);
        await next(connection);
    }
}
