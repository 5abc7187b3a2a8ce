using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Agent.Events;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>The events of leases, as server-sent events.</summary>
internal sealed class EventEndpoints(EventHub hub, IOptions<AgentOptions> options, IHostApplicationLifetime lifetime)
{
    /// <summary>How often a quiet stream is written to: so a reader that has gone is found out.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(15);

    private readonly UserCounts _readers = new(options.Value.Limits.MaxEventReaders, options.Value.Limits.MaxEventReadersPerUser);

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/events", (EventEndpoints events, HttpContext context, long? after) => events.ReadAsync(context, after))
        .WithName("ReadEvents")
        .Produces<LeaseEventEntry>(200, "text/event-stream")
        .WithSummary("Streams what happens to leases. Last-Event-ID, or after, resumes behind an event.")
        .WithDescription(
            "Marks beside the events: gap (some that were asked for are not known any more), dropped (the reader was too slow), stopping "
            + "(the agent stops). After the last two the stream ends; resume with the last id.")
        .Fails(400, 429);

    private async Task ReadAsync(HttpContext context, long? after)
    {
        using IDisposable? taken = _readers.TryTake(context.GetCaller().Uid);
        if (taken is null)
            throw new LimitException("There are as many readers of events as may be.");
        long? from = ReadLastId(context) ?? after;
        using EventReader reader = hub.Open();
        long last = from ?? hub.Last;
        context.Response.ContentType = "text/event-stream";
        context.Response.Headers.CacheControl = "no-store";
        context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        using CancellationTokenSource ended =
            CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, lifetime.ApplicationStopping);
        try
        {
            if (from is not null)
                last = await WriteMissedAsync(context.Response, last, ended.Token);
            await context.Response.WriteAsync(": from here on as it happens\n\n", ended.Token);
            await WriteAllAsync(context.Response, reader, last, ended.Token);
            if (reader.IsDropped)
                await WriteMarkAsync(context.Response, "dropped", ended.Token);
        }
        catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            await WriteMarkAsync(context.Response, "stopping", context.RequestAborted);
        }
    }

    private async Task<long> WriteMissedAsync(HttpResponse response, long last, CancellationToken cancellationToken)
    {
        if (!hub.TryRead(last, out IReadOnlyList<LeaseEvent> missed))
            await WriteMarkAsync(response, "gap", cancellationToken);
        foreach (LeaseEvent happened in missed)
            await WriteAsync(response, happened, cancellationToken);
        return missed.Count > 0 ? missed[^1].Sequence : Math.Min(last, hub.Last);
    }

    private static async Task WriteAllAsync(
        HttpResponse response, EventReader reader, long last, CancellationToken cancellationToken)
    {
        Task<bool>? more = null;
        while (true)
        {
            while (reader.Events.TryRead(out LeaseEvent? happened))
            {
                if (happened.Sequence > last)
                    await WriteAsync(response, happened, cancellationToken);
            }

            more ??= reader.Events.WaitToReadAsync(cancellationToken).AsTask();
            try
            {
                if (!await more.WaitAsync(Heartbeat, cancellationToken))
                    return;
                more = null;
            }
            catch (TimeoutException)
            {
                await response.WriteAsync(":\n\n", cancellationToken);
            }
        }
    }

    private static Task WriteAsync(HttpResponse response, LeaseEvent happened, CancellationToken cancellationToken)
    {
        string data = JsonSerializer.Serialize(LeaseEventEntry.From(happened), AgentJson.Default.LeaseEventEntry);
        string text = string.Create(CultureInfo.InvariantCulture, $"id: {happened.Sequence}\nevent: {happened.Kind}\ndata: {data}\n\n");
        return response.WriteAsync(text, Encoding.UTF8, cancellationToken);
    }

    private static Task WriteMarkAsync(HttpResponse response, string mark, CancellationToken cancellationToken) =>
        response.WriteAsync($"event: {mark}\ndata: {{}}\n\n", cancellationToken);

    private static long? ReadLastId(HttpContext context)
    {
        string? text = context.Request.Headers["Last-Event-ID"];
        if (string.IsNullOrEmpty(text))
            return null;
        return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long id)
            ? id
            : throw new BadHttpRequestException($"Last-Event-ID is '{text}': it is a number.");
    }
}
