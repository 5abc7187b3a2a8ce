using System.Globalization;
using System.Text;
using Nvml.Mig.Leasing;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Agent.Page;

/// <summary>A GPU: drawn to scale in memory slices, and its instances in a table.</summary>
internal static class GpuSection
{
    public static void Render(HtmlWriter html, PageContent content, GpuReading gpu)
    {
        string id = string.Create(CultureInfo.InvariantCulture, $"gpu-{gpu.Index}");
        html.Add($"""<article class="gpu" id="{id}" aria-labelledby="{id}-name">""");
        html.Add($"""<h3 id="{id}-name">GPU {gpu.Index} <small>{gpu.Name}</small></h3>""");
        html.Add($"""<p class="facts">{string.Join(" · ", Facts(gpu))}</p>""");
        GpuOverview? pool = content.Leasing.Gpus.FirstOrDefault(g => g.Uuid == gpu.Uuid);
        // Leasing's problem with a GPU without MIG is that it has none: that is a choice, and stands in the facts.
        if ((gpu.Problem ?? (gpu.Mode is { Current: false } ? null : pool?.Problem)) is { } problem)
            html.Add($"""<p class="problem"><strong>Problem:</strong> {problem}</p>""");
        if (gpu.Mode is { Current: true })
        {
            Draw(html, content, gpu);
            if (gpu.Instances.Count > 0)
                List(html, content, gpu);
        }

        html.Add($"</article>");
    }

    private static IEnumerable<string> Facts(GpuReading gpu)
    {
        yield return gpu.Status switch { GpuStatus.Ok => "answers", GpuStatus.Lost => "lost", _ => "does not answer" };
        if (gpu.Mode is { } mode)
            yield return mode.IsChangePending ? $"MIG {mode}" : mode.Current ? "MIG enabled" : "MIG disabled";
        if (gpu.Memory is { } memory)
            yield return $"memory {PageFrame.Text(memory)}";
        if (gpu.Utilization is { } busy)
            yield return string.Create(CultureInfo.InvariantCulture, $"busy {busy * 100:0}%");
        if (gpu.TemperatureCelsius is { } degrees)
            yield return string.Create(CultureInfo.InvariantCulture, $"{degrees} °C");
        if (gpu.PowerWatts is { } watts)
            yield return string.Create(CultureInfo.InvariantCulture, $"{watts:0} W");
        if (gpu.Xids.Sum(x => x.Count) is > 0 and var errors)
            yield return string.Create(CultureInfo.InvariantCulture, $"Xid errors {errors}");
    }

    /// <summary>For those who look. The table says the same, so it is hidden from screen readers.</summary>
    private static void Draw(HtmlWriter html, PageContent content, GpuReading gpu)
    {
        InstanceReading[] instances = [.. gpu.Instances.DistinctBy(i => i.GpuInstanceId).OrderBy(i => i.Placement.Start)];
        int slices = content.SlicesOf(gpu);
        html.Add($"""<div class="row slices-{slices}" aria-hidden="true">""");
        int next = 0;
        foreach (InstanceReading instance in instances)
        {
            Free(html, next, instance.Placement.Start);
            GrantedLease? lease = content.LeaseOf(instance.Uuid);
            string color = lease is null
                ? "nobody"
                : string.Create(CultureInfo.InvariantCulture, $"queue-{content.ColorOf(lease.Lease.Claim.Queue)}");
            html.Add($"""<div class="instance at-{instance.Placement.Start} span-{instance.Placement.Size} {color}">""");
            html.Add($"""<b>{instance.Profile}</b><span>{lease?.Id}</span></div>""");
            next = instance.Placement.End;
        }

        Free(html, next, slices);
        html.Add($"</div>");
    }

    private static void Free(HtmlWriter html, int start, int end)
    {
        for (int slice = start; slice < end; slice++)
            html.Add($"""<div class="free at-{slice} span-1"></div>""");
    }

    private static void List(HtmlWriter html, PageContent content, GpuReading gpu)
    {
        html.Add($"""<div class="scroll" tabindex="0" role="region" aria-label="Instances of GPU {gpu.Index}">""");
        html.Add($"""<table class="cards"><thead><tr>""");
        foreach (string name in (string[])["Instance", "Who", "Queue", "Memory", "Activity", "Until"])
            html.Add($"""<th scope="col">{name}</th>""");
        html.Add($"</tr></thead><tbody>");
        foreach (InstanceReading instance in gpu.Instances.OrderBy(i => i.Placement.Start).ThenBy(i => i.ComputeInstanceId))
            Row(html, content, instance);
        html.Add($"</tbody></table></div>");
    }

    private static void Row(HtmlWriter html, PageContent content, InstanceReading instance)
    {
        GrantedLease? lease = content.LeaseOf(instance.Uuid);
        IReadOnlyList<UsagePoint> usage = content.Usage.Of(instance.Uuid);
        html.Add($"""<tr id="{instance.Uuid}"><th scope="row">{instance.Profile} <small>at {instance.Placement}</small></th>""");
        html.Add($"""<td data-label="Who">""");
        if (lease is null)
            html.Add($"nobody");
        else
            html.Add($"""<a href="/lease?id={Uri.EscapeDataString(lease.Id)}">{lease.Id}</a> <small>{lease.Lease.Claim.Owner}</small>""");
        html.Add($"""</td><td data-label="Queue">{lease?.Lease.Claim.Queue ?? "–"}</td>""");
        html.Add($"""<td data-label="Memory">{PageFrame.Text(instance.Memory)} """);
        MachinePage.Meter(html, UsageHistory.Share(instance.Memory), $"Memory used of {instance.Uuid}");
        Curve(html, [.. usage.Select(u => (double?)u.Memory)], "Memory");
        double? busy = instance.Activity?.Engine;
        string activity = busy is { } part ? string.Create(CultureInfo.InvariantCulture, $"{part * 100:0}%") : "not measured";
        html.Add($"""</td><td data-label="Activity">{activity} """);
        MachinePage.Meter(html, busy, $"Activity of {instance.Uuid}");
        Curve(html, [.. usage.Select(u => u.Activity)], "Activity");
        html.Add($"""</td><td data-label="Until">{Until(lease, instance)}</td></tr>""");
    }

    private static string Until(GrantedLease? lease, InstanceReading instance) => lease switch
    {
        null => "–",
        { Ending: { } ending } => $"ends: {ending.Message}",
        _ when lease.Instances.First(i => i.MigUuid == instance.Uuid).Quarantine is { } fault => $"fault: {fault}",
        { Expires: { } expires } => string.Create(CultureInfo.InvariantCulture, $"{expires:yyyy-MM-dd HH:mm}Z"),
        { Hold.Process: { } process } => $"{process} ends",
        _ => "released",
    };

    /// <summary>A line over the last hour. Where nothing was measured it has a gap.</summary>
    private static void Curve(HtmlWriter html, IReadOnlyList<double?> values, string what)
    {
        if (values.Count < 2 || values.All(v => v is null))
            return;
        StringBuilder path = new();
        bool isDown = false;
        for (int i = 0; i < values.Count; i++)
        {
            if (values[i] is not { } value)
            {
                isDown = false;
                continue;
            }

            double height = 20 * Math.Clamp(value, 0, 1);
            path.Append(CultureInfo.InvariantCulture, $"{(isDown ? 'L' : 'M')}{180 - values.Count + i} {20 - height:0.#}");
            isDown = true;
        }

        string label = string.Create(
            CultureInfo.InvariantCulture,
            $"{what} over the last hour: {values.Min() * 100:0}% to {values.Max() * 100:0}%");
        html.Add($"""<svg class="curve" viewBox="0 -1 180 22" role="img" aria-label="{label}"><path d="{path}"/></svg>""");
    }
}
