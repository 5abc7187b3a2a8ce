using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Page;

/// <summary>The page of a lease: what it has, and what happened to it.</summary>
internal static class LeasePage
{
    /// <summary>A lease that has ended has its history, as long as the book keeps that.</summary>
    public static string Render(string id, GrantedLease? lease, IReadOnlyList<LeaseEvent> events)
    {
        HtmlWriter html = new();
        PageFrame.Begin(html, $"Lease {id}");
        html.Add($"""<p><a href="/">All GPUs</a></p>""");
        if (lease is null)
        {
            html.Add($"""<p class="note">There is no such lease now.</p>""");
        }
        else
        {
            Claim claim = lease.Lease.Claim;
            html.Add($"<dl><dt>Owner</dt><dd>{claim.Owner}</dd><dt>Queue</dt><dd>{claim.Queue}, priority {claim.Priority}</dd>");
            html.Add($"<dt>Since</dt><dd>{lease.Lease.Since:yyyy-MM-dd HH:mm:ss}Z, generation {lease.Generation}</dd>");
            foreach (LeasedInstance instance in lease.Instances)
                html.Add($"<dt>Instance</dt><dd>{instance}</dd>");
            if (lease.Ending is { } ending)
                html.Add($"<dt>Ends</dt><dd>{ending.Message}</dd>");
            html.Add($"</dl>");
        }

        html.Add($"""<section aria-labelledby="history"><h2 id="history">History</h2>""");
        RenderEvents(html, events, withLease: false);
        html.Add($"</section>");
        PageFrame.End(html);
        return html.ToString();
    }

    public static void RenderEvents(HtmlWriter html, IReadOnlyList<LeaseEvent> events, bool withLease)
    {
        if (events.Count == 0)
            html.Add($"""<p class="note">Nothing yet.</p>""");
        html.Add($"""<ol class="events">""");
        foreach (LeaseEvent happened in events)
        {
            html.Add($"""<li><time>{happened.Time:yyyy-MM-dd HH:mm:ss}Z</time> <b>{happened.Kind}</b> """);
            if (withLease)
                html.Add($"""<a href="/lease?id={Uri.EscapeDataString(happened.Lease)}">{happened.Lease}</a> """);
            html.Add($"""<span>{happened.Message}</span></li>""");
        }

        html.Add($"</ol>");
    }
}
