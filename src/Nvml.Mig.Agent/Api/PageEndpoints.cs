namespace Nvml.Mig.Agent.Api;

/// <summary>The page for people: the files of the folder Page, as they were when this was built.</summary>
internal static class PageEndpoints
{
    private static readonly Dictionary<string, string> Types = new(StringComparer.Ordinal)
    {
        [".html"] = "text/html; charset=utf-8",
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".svg"] = "image/svg+xml",
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/", (HttpContext context) => Show(context, "index.html")).ExcludeFromDescription();
        routes.MapGet("/page/{file}", (HttpContext context, string file) => Show(context, file)).ExcludeFromDescription();
    }

    private static IResult Show(HttpContext context, string file)
    {
        Stream? content = Types.TryGetValue(Path.GetExtension(file), out string? type)
            ? typeof(PageEndpoints).Assembly.GetManifestResourceStream($"Page/{file}")
            : null;
        if (content is null)
            return Problems.Result(StatusCodes.Status404NotFound, "NotFound", $"The page has no file {file}.");
        // Nothing of other hosts, and in no frame of theirs.
        context.Response.Headers.ContentSecurityPolicy = "default-src 'self'; frame-ancestors 'none'";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return Results.Stream(content, type);
    }
}
