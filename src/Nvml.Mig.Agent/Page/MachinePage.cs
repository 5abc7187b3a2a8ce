using System.Globalization;
using Nvml.Mig.Leasing;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>The page of a machine: its GPUs to scale, who has what, the queues and who waits why.</summary>
internal static class MachinePage
{
    public static string Render(PageContent content)
    {
        HtmlWriter html = new();
        PageFrame.Begin(html, $"GPUs of {content.Host}");
        Summarize(html, content);
        html.Add($"""<section aria-labelledby="gpus"><h2 id="gpus">GPUs</h2>""");
        foreach (GpuReading gpu in content.Machine.Gpus)
            GpuSection.Render(html, content, gpu);
        html.Add($"</section>");
        RenderQueues(html, content);
        RenderWaiting(html, content.Leasing.Waiting, content.Machine.Time);
        RenderReservations(html, content.Leasing.Reservations);
        html.Add($"""<section aria-labelledby="events"><h2 id="events">What happened</h2>""");
        LeasePage.RenderEvents(html, [.. content.Events.Take(20)], withLease: true);
        html.Add($"</section>");
        PageFrame.End(html);
        return html.ToString();
    }

    private static void Summarize(HtmlWriter html, PageContent content)
    {
        LeaseOverview leasing = content.Leasing;
        html.Add($"""<p class="summary">{Count(content.Machine.Gpus.Count, "GPU")}, {Count(leasing.Leases.Count, "lease")}, """);
        html.Add($"""{Count(leasing.Waiting.Count, "claim")} waiting. """);
        html.Add($"""Read at <time>{content.Machine.Time:yyyy-MM-dd HH:mm:ss}Z</time>.</p>""");
        string latest = content.Events.Count == 0 ? "" : $"{content.Events[0].Lease}: {content.Events[0].Message}";
        html.Add($"""<p class="latest" role="status" id="latest">{latest}</p>""");
    }

    private static void RenderQueues(HtmlWriter html, PageContent content)
    {
        html.Add($"""<section aria-labelledby="queues"><h2 id="queues">Queues</h2>""");
        html.Add($"""<p class="note">In slices of computing and of memory. """);
        html.Add($"A queue may have more than its share while others do not need it.</p>");
        html.Add($"""<div class="scroll" tabindex="0" role="region" aria-label="Table of the queues"><table class="cards"><thead><tr>""");
        foreach (string name in (string[])["Queue", "Has", "Fair share", "Quota", "Limit", "Asks for", "Waiting"])
            html.Add($"""<th scope="col">{name}</th>""");
        html.Add($"</tr></thead><tbody>");
        foreach (QueueShare share in content.Leasing.Queues)
        {
            string name = share.Queue.Name;
            int waiting = content.Leasing.Waiting.Count(w => w.Claim.Queue == name);
            html.Add($"""<tr><th scope="row"><span class="key queue-{content.ColorOf(name)}" aria-hidden="true"></span>{name}""");
            if (share.Queue.Parent is { } parent)
                html.Add($""" <small>in {parent}</small>""");
            html.Add($"""</th><td data-label="Has">{Text(share.Allocated)} """);
            Meter(html, Part(share.Allocated, share.FairShare), $"{name} has this part of its fair share");
            html.Add($"""</td><td data-label="Fair share">{Text(share.FairShare)}</td>""");
            html.Add($"""<td data-label="Quota">{Text(share.Queue.Quota)}</td><td data-label="Limit">{Text(share.Queue.Limit)}</td>""");
            html.Add($"""<td data-label="Asks for">{Text(share.Requested)}</td><td data-label="Waiting">{waiting}</td></tr>""");
        }

        html.Add($"</tbody></table></div></section>");
    }

    private static void RenderWaiting(HtmlWriter html, IReadOnlyList<Waiting> waiting, DateTimeOffset now)
    {
        html.Add($"""<section aria-labelledby="waiting"><h2 id="waiting">Waiting</h2>""");
        if (waiting.Count == 0)
            html.Add($"""<p class="note">Nobody waits.</p>""");
        html.Add($"""<ol class="waiting">""");
        foreach (Waiting one in waiting)
        {
            Claim claim = one.Claim;
            html.Add($"<li><strong>{claim.Id}</strong> of {claim.Owner}, queue {claim.Queue}, ");
            html.Add($"""wants {string.Join(", ", claim.Requests)}, for {PageFrame.Text(now - claim.Created)}. """);
            html.Add($"""<span class="why">{one.Message}</span></li>""");
        }

        html.Add($"</ol></section>");
    }

    private static void RenderReservations(HtmlWriter html, IReadOnlyList<ReservationState> reservations)
    {
        if (reservations.Count == 0)
            return;
        html.Add($"""<section aria-labelledby="reservations"><h2 id="reservations">Reservations</h2><ul>""");
        foreach (ReservationState state in reservations)
        {
            Reservation one = state.Reservation;
            string whom = one.Queue is { } queue ? $"queue {queue}" : one.Owner?.ToString() ?? "";
            string what = one.Profile is { } profile ? $"{profile} × {one.Count}" : Count(one.Places.Count, "place");
            html.Add($"<li><strong>{one.Id}</strong>: {what} for {whom}, {one.Start:yyyy-MM-dd HH:mm}Z to {one.End:yyyy-MM-dd HH:mm}Z; ");
            html.Add($"{state.Used} used, {state.Kept.Count} kept, {state.Missing} without room</li>");
        }

        html.Add($"</ul></section>");
    }

    /// <summary>A bar, from 0 to 1. What is above 1 is said in the text beside it.</summary>
    public static void Meter(HtmlWriter html, double? part, string label)
    {
        if (part is { } value)
        {
            string now = Math.Clamp(value, 0, 1).ToString("0.###", CultureInfo.InvariantCulture);
            html.Add($"""<meter min="0" max="1" value="{now}" aria-label="{label}">{value:P0}</meter>""");
        }
    }

    public static string Count(int number, string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{number} {what}{(number == 1 ? "" : "s")}");

    private static double? Part(Slices has, Slices share) =>
        share.Memory == 0 && share.Compute == 0
            ? null
            : Math.Max(Part(has.Memory, share.Memory), Part(has.Compute, share.Compute));

    private static double Part(long has, long share) => share == 0 ? (has > 0 ? 1 : 0) : (double)has / share;

    private static string Text(Slices? slices) =>
        slices is { } s ? string.Create(CultureInfo.InvariantCulture, $"{s.Compute} / {s.Memory}") : "–";
}
