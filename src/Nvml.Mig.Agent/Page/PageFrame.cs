using System.Globalization;

namespace Nvml.Mig.Agent.Page;

/// <summary>The common parts of all pages: head and end.</summary>
internal static class PageFrame
{
    public static void Begin(HtmlWriter html, string title)
    {
        html.Add($"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>""");
        html.Add($"""<meta name="viewport" content="width=device-width, initial-scale=1">""");
        html.Add($"""<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="/page/page.css">""");
        html.Add($"""<link rel="icon" href="data:,"><script src="/page/page.js" defer></script></head><body>""");
        html.Add($"""<header><h1>{title}</h1><p id="connection" hidden></p></header><main id="main">""");
    }

    public static void End(HtmlWriter html)
    {
        html.Add($"""</main><footer><p>This page only shows. Leases are claimed and released with <code>nvmig</code> or """);
        html.Add($"""the agent's interface.</p></footer></body></html>""");
    }

    /// <summary><c>3 min</c>: as exact as somebody who looks needs it.</summary>
    public static string Text(TimeSpan time) => time switch
    {
        { TotalSeconds: < 1 } => "a moment",
        { TotalMinutes: < 2 } => Number(time.TotalSeconds, "s"),
        { TotalHours: < 2 } => Number(time.TotalMinutes, "min"),
        { TotalDays: < 2 } => Number(time.TotalHours, "h"),
        _ => Number(time.TotalDays, "days"),
    };

    /// <summary><c>12.5 of 39.5 GiB</c></summary>
    public static string Text(GpuMemory memory) =>
        string.Create(CultureInfo.InvariantCulture, $"{GiB(memory.UsedBytes):0.#} of {GiB(memory.TotalBytes):0.#} GiB");

    private static double GiB(long bytes) => bytes / (double)(1L << 30);

    private static string Number(double number, string unit) => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(number)} {unit}");
}
