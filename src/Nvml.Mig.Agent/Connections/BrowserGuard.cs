using System.Net;
using Nvml.Mig.Agent.Api;
using Nvml.Mig.Agent.Callers;

namespace Nvml.Mig.Agent.Connections;

/// <summary>
/// Refuses what a page of another site makes a browser ask. The browser of somebody who looks at the agent's page reaches the agent with
/// that user's rights, through the port that ssh carries to it.
/// </summary>
internal static class BrowserGuard
{
    public static Task HandleAsync(HttpContext context, RequestDelegate next)
    {
        HttpRequest request = context.Request;
        // A name of the other site's that leads to this machine makes its page one of ours (DNS rebinding). Such a name has a dot. By TCP
        // a name proves nothing, and nothing is to be had without a secret.
        bool isLocal = context.Features.Get<Caller>() is not null;
        if (isLocal && request.Host.Host.Contains('.', StringComparison.Ordinal) && !IPAddress.TryParse(request.Host.Host, out _))
            return RefuseAsync(context, $"The agent is not called {request.Host.Host}: ask localhost.");
        // A form of the other site's can be sent to any address. The browser says where it comes from.
        bool changes = !HttpMethods.IsGet(request.Method) && !HttpMethods.IsHead(request.Method);
        string? origin = request.Headers.Origin;
        return changes && !string.IsNullOrEmpty(origin) && origin != $"{request.Scheme}://{request.Host}"
            ? RefuseAsync(context, $"A page of {origin} may not ask for this.")
            : next(context);
    }

    private static Task RefuseAsync(HttpContext context, string why) =>
        Problems.Result(StatusCodes.Status403Forbidden, "Forbidden", why).ExecuteAsync(context);
}
