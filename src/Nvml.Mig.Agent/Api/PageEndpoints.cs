using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Page;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>The page for people. It is written here and not in the browser: without scripts it says the same.</summary>
internal static class PageEndpoints
{
    private const string Html = "text/html; charset=utf-8";

    private static readonly Dictionary<string, string> Files = new(StringComparer.Ordinal)
    {
        ["page.css"] = "text/css; charset=utf-8",
        ["page.js"] = "text/javascript; charset=utf-8",
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", ShowMachineAsync).ExcludeFromDescription();
        routes.MapGet("/lease", ShowLeaseAsync).ExcludeFromDescription();
        routes.MapGet("/page/{file}", ShowFile).ExcludeFromDescription();
    }

    private static async Task<IResult> ShowMachineAsync(PageReader reader, HttpContext context) =>
        Answer(context, MachinePage.Render(await reader.ReadAsync()));

    private static async Task<IResult> ShowLeaseAsync(string id, SharedReading reading, EventHub hub, HttpContext context)
    {
        GrantedLease? lease = (await reading.ReadAsync()).Leases.FirstOrDefault(l => l.Id == id);
        IReadOnlyList<LeaseEvent> events = hub.ReadOf(id);
        return lease is null && events.Count == 0
            ? Problems.Result(StatusCodes.Status404NotFound, "NotFound", $"There is no lease {id}, and nothing is known of it.")
            : Answer(context, LeasePage.Render(id, lease, events));
    }

    private static IResult ShowFile(string file, HttpContext context)
    {
        if (!Files.TryGetValue(file, out string? type))
            return Problems.Result(StatusCodes.Status404NotFound, "NotFound", $"The page has no file {file}.");
        Protect(context);
        return Results.Stream(typeof(PageEndpoints).Assembly.GetManifestResourceStream($"Page/{file}")!, type);
    }

    private static IResult Answer(HttpContext context, string html)
    {
        Protect(context);
        context.Response.Headers.CacheControl = "no-store";
        return Results.Content(html, Html);
    }

    /// <summary>Nothing of other hosts, nothing written into the page, and in no frame of theirs.</summary>
    private static void Protect(HttpContext context)
    {
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; "
            + "base-uri 'none'; form-action 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
    }
}
