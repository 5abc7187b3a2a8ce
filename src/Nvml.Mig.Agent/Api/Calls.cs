using Nvml.Mig.Agent.Callers;

namespace Nvml.Mig.Agent.Api;

/// <summary>The common parts of the endpoints.</summary>
internal static class Calls
{
    /// <summary>The caller: without one, no endpoint is reached.</summary>
    public static Caller GetCaller(this HttpContext context) =>
        context.Features.Get<Caller>() ?? throw new InvalidOperationException("It is not known who asks.");

    /// <summary>Keeps an endpoint for those who may do all.</summary>
    public static RouteHandlerBuilder ForAdministrators(this RouteHandlerBuilder endpoint, string what) =>
        endpoint
            .AddEndpointFilter((invocation, next) =>
            {
                HttpContext context = invocation.HttpContext;
                context.RequestServices.GetRequiredService<Rights>().RequireAll(context.GetCaller(), what);
                return next(invocation);
            })
            .Fails(StatusCodes.Status403Forbidden);

    /// <summary>States how an endpoint fails.</summary>
    public static RouteHandlerBuilder Fails(this RouteHandlerBuilder endpoint, params ReadOnlySpan<int> statuses)
    {
        foreach (int status in statuses)
            endpoint.Produces<Documents.ProblemDocument>(status, Problems.ContentType);
        return endpoint;
    }
}
