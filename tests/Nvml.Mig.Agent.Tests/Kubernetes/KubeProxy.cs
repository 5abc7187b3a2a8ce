using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Nvml.Mig.Agent.Tests.Kubernetes;

/// <summary>Between an agent and the API server: counts requests, answers some itself, and breaks connections.</summary>
internal sealed class KubeProxy : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _server;
    private readonly ConcurrentDictionary<HttpContext, bool> _watches = [];

    private KubeProxy(WebApplication app, HttpClient server) => (_app, _server) = (app, server);

    public string Address => _app.Urls.Single();

    /// <summary>The requests: <c>PATCH nodes</c>, <c>WATCH nodes</c>.</summary>
    public ConcurrentQueue<string> Requests { get; } = [];

    /// <summary>Whether nobody answers.</summary>
    public bool IsDown { get; set; }

    /// <summary>Answers a request in the server's place with this status; null: the server does.</summary>
    public Func<string, int?> Answer { get; set; } = _ => null;

    /// <summary>Called before a request reaches the server (false), and after the server has answered it (true).</summary>
    public Func<string, bool, Task> Passing { get; set; } = (_, _) => Task.CompletedTask;

    public static bool IsWrite(string request) =>
        !request.StartsWith("GET", StringComparison.Ordinal) && !request.StartsWith("WATCH", StringComparison.Ordinal);

    public static async Task<KubeProxy> StartAsync(KubeCluster cluster)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http1));
        WebApplication app = builder.Build();
        HttpClient server = new(KubeCluster.TrustAll()) { BaseAddress = new Uri(cluster.Server), Timeout = Timeout.InfiniteTimeSpan };
        KubeProxy proxy = new(app, server);
        app.Run(proxy.HandleAsync);
        await app.StartAsync();
        return proxy;
    }

    public int Count(string request) => Requests.Count(r => r == request);

    public string Describe() => string.Join(
        ", ",
        Requests.GroupBy(r => r, StringComparer.Ordinal)
            .OrderBy(g => g.Key, StringComparer.Ordinal)
            .Select(g => $"{g.Key} {g.Count()}"));

    /// <summary>Breaks off the watches that there are.</summary>
    public void BreakWatches()
    {
        foreach (HttpContext watch in _watches.Keys)
            watch.Abort();
    }

    public async ValueTask DisposeAsync()
    {
        BreakWatches();
        await _app.DisposeAsync();
        _server.Dispose();
    }

    private async Task HandleAsync(HttpContext context)
    {
        string what = Name(context.Request);
        if (IsDown)
        {
            context.Abort();
            return;
        }

        Requests.Enqueue(what);
        await Passing(what, false);
        if (Answer(what) is { } status)
        {
            context.Response.StatusCode = status;
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync($$"""{"kind":"Status","status":"Failure","message":"injected","code":{{status}}}""");
            return;
        }

        try
        {
            await ForwardAsync(context, what);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            context.Abort();
        }
    }

    private async Task ForwardAsync(HttpContext context, string what)
    {
        CancellationToken aborted = context.RequestAborted;
        using HttpRequestMessage request = new(new HttpMethod(context.Request.Method), context.Request.Path + context.Request.QueryString);
        request.Headers.TryAddWithoutValidation("Authorization", context.Request.Headers.Authorization.ToString());
        request.Headers.TryAddWithoutValidation("Accept", context.Request.Headers.Accept.ToString());
        if (context.Request.ContentLength > 0)
        {
            using MemoryStream body = new();
            await context.Request.Body.CopyToAsync(body, aborted);
            request.Content = new ByteArrayContent(body.ToArray());
            request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(context.Request.ContentType!);
        }

        using HttpResponseMessage response = await _server.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, aborted);
        context.Response.StatusCode = (int)response.StatusCode;
        context.Response.ContentType = response.Content.Headers.ContentType?.ToString();
        if (!what.StartsWith("WATCH", StringComparison.Ordinal))
        {
            byte[] all = await response.Content.ReadAsByteArrayAsync(aborted);
            await Passing(what, true);
            await context.Response.Body.WriteAsync(all, aborted);
            return;
        }

        _watches[context] = true;
        try
        {
            await context.Response.StartAsync(aborted);
            await using Stream lines = await response.Content.ReadAsStreamAsync(aborted);
            byte[] buffer = new byte[64 << 10];
            for (int count = await lines.ReadAsync(buffer, aborted); count > 0; count = await lines.ReadAsync(buffer, aborted))
            {
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), aborted);
                await context.Response.Body.FlushAsync(aborted);
            }
        }
        finally
        {
            _watches.TryRemove(context, out _);
        }
    }

    private static string Name(HttpRequest request)
    {
        string[] path = request.Path.Value!.Split('/', StringSplitOptions.RemoveEmptyEntries);
        string resource = path is [_, _, "namespaces", _, var inside, ..] ? inside : path is [_, _, var top, ..] ? top : "";
        return $"{(request.Query.ContainsKey("watch") ? "WATCH" : request.Method)} {resource}";
    }
}
