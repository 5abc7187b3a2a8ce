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
    private readonly UserCounts _counts = new(int.MaxValue, options.Value.Limits.MaxConnectionsPerUser);

    public async Task HandleAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        Caller caller = PeerCredentials.Read(connection.Features.GetRequiredFeature<IConnectionSocketFeature>().Socket);
        using IDisposable? taken = _counts.TryTake(caller.Uid);
        if (taken is null)
        {
            connection.Abort();
            return;
        }

        connection.Features.Set(caller);
        await next(connection);
    }
}
