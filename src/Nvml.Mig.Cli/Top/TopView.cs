using System.Globalization;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Cli.Output;
using Nvml.Mig.Monitoring;

namespace Nvml.Mig.Cli.Top;

/// <summary>Draws a reading as text: the GPUs, their MIG devices, and who waits.</summary>
internal static class TopView
{
    private const string Unknown = "-";

    /// <summary>All lines of a reading.</summary>
    public static IReadOnlyList<string> ToLines(TopReading reading, TopState state, int width) =>
        [Title(reading, state, width), .. Body(reading, state, width)];

    /// <summary>The lines that a screen has room for: the title, a part of the body, and the keys.</summary>
    public static IReadOnlyList<string> ToScreen(TopReading reading, TopState state, int width, int height)
    {
        string[] body = [.. Body(reading, state, width)];
        int room = Math.Max(1, height - 2);
        state.Offset = Math.Clamp(state.Offset, 0, Math.Max(0, body.Length - room));
        string[] shown = [.. body.Skip(state.Offset).Take(room)];
        string keys = state.IsTyping
            ? $"filter: {Terminal.Escape(state.Filter)}_   Enter: done  Esc: none"
            : "q: quit  s: sort  f: filter" + (body.Length > room ? "  arrows: scroll" : "");
        return [Title(reading, state, width), .. shown, .. Enumerable.Repeat("", room - shown.Length), Cut(keys, width)];
    }

    private static string Title(TopReading reading, TopState state, int width)
    {
        int instances = reading.Machine.Gpus.Sum(gpu => gpu.Instances.Count);
        string text = string.Create(
            CultureInfo.InvariantCulture,
            $"{reading.Machine.Time:HH:mm:ss}Z  GPUs: {reading.Machine.Gpus.Count}  MIG devices: {instances}  ");
        string filter = state.Filter.Length == 0 ? "" : $"  filter: {Terminal.Escape(state.Filter)}";
        return Cut($"{text}waiting: {reading.Waiting.Count}  sort: {Word(state.Sort)}{filter}", width);
    }

    private static IEnumerable<string> Body(TopReading reading, TopState state, int width)
    {
        if (reading.Notice is { } notice)
            yield return Cut(Terminal.Escape(notice), width);
        foreach (string line in GpuTable(reading).ToLines(width))
            yield return line;
        Row[] rows =
        [
            .. Sorted(Rows(reading), state.Sort).SelectMany(row => (Row[])[row, .. row.Parts])
                .Where(row => IsMeant(row.Texts, state.Filter)),
        ];
        if (rows.Length > 0)
        {
            yield return "";
            foreach (string line in InstanceTable(rows).ToLines(width))
                yield return line;
        }

        WaitingClaimEntry[] waiting = [.. reading.Waiting.Where(w => IsMeant([w.Id, w.Queue, Owner(w.Uid, w.Label)], state.Filter))];
        if (waiting.Length == 0)
            yield break;
        yield return "";
        string[] claims = [.. WaitingTable(waiting).ToLines(width)];
        yield return claims[0];
        for (int i = 0; i < waiting.Length; i++)
        {
            yield return claims[i + 1];
            yield return Cut($"  {Terminal.Escape(waiting[i].Message)}", width);
        }
    }

    private static FittedTable GpuTable(TopReading reading)
    {
        FittedTable table = new(">GPU", ">Temp", ">Power", ">Use", ">GiB used", ">of", "MIG", "Xids", "~Name");
        foreach (GpuReading gpu in reading.Machine.Gpus)
        {
            string name = gpu.Status switch
            {
                GpuStatus.Lost => $"LOST: {gpu.Problem}",
                GpuStatus.Failing => $"FAILS: {gpu.Problem}",
                _ => gpu.Problem is { } problem ? $"{gpu.Name}: {problem}" : gpu.Name ?? Unknown,
            };
            table.Add(
                Number(gpu.Index),
                gpu.TemperatureCelsius is { } celsius ? $"{Number(celsius)} C" : Unknown,
                gpu.PowerWatts is { } watts ? $"{Number((int)Math.Round(watts))} W" : Unknown,
                Percent(gpu.Utilization),
                gpu.Memory is { } used ? GiB(used.UsedBytes) : Unknown,
                gpu.Memory is { } all ? GiB(all.TotalBytes) : Unknown,
                gpu.Mode is { } mode ? (mode.Current ? "on" : "off") + (mode.IsChangePending ? " (pending)" : "") : Unknown,
                gpu.Xids.Count == 0 ? Unknown : string.Join(' ', gpu.Xids.Select(x => $"{Number(x.Xid)}*{x.Count}")),
                name);
        }

        return table;
    }

    private static FittedTable InstanceTable(IEnumerable<Row> rows)
    {
        FittedTable table = new(
            ">GPU", ">GI", ">CI", "~Profile", "~Lease", "~Owner", "~Queue", ">GiB used", ">of", ">Act", "~Processes");
        foreach (Row row in rows)
        {
            table.Add(
                row.Gpu, row.GpuInstance, row.ComputeInstance, row.Profile, row.Lease, row.Owner, row.Queue, GiB(row.UsedBytes),
                GiB(row.TotalBytes), Percent(row.Activity), row.Processes);
        }

        return table;
    }

    private static FittedTable WaitingTable(IEnumerable<WaitingClaimEntry> waiting)
    {
        FittedTable table = new(">#", "~Waiting", "~Queue", "~Owner", "~Wants");
        foreach (WaitingClaimEntry w in waiting)
            table.Add(Number(w.Position), w.Id, w.Queue, Owner(w.Uid, w.Label), w.Requests);
        return table;
    }

    /// <summary>The MIG devices, and the GPUs with MIG disabled that are leased.</summary>
    private static IEnumerable<Row> Rows(TopReading reading)
    {
        foreach (GpuReading gpu in reading.Machine.Gpus)
        {
            if (gpu.Uuid is { } uuid && reading.Leases.TryGetValue(uuid, out LeaseEntry? whole))
            {
                yield return new Row(whole.Instances[0].Profile, gpu.Memory?.UsedBytes, gpu.Memory?.TotalBytes, gpu.Utilization)
                {
                    Gpu = Number(gpu.Index),
                    Uuid = uuid,
                    Lease = whole.Id + StateOf(whole, uuid),
                    Owner = Owner(whole.Uid, whole.Label),
                    Queue = whole.Queue,
                    Processes = Describe(whole.Instances[0].Processes),
                    Parts = PartsOf(whole, reading),
                };
            }

            foreach (InstanceReading instance in gpu.Instances)
            {
                LeaseEntry? lease = reading.Leases.GetValueOrDefault(instance.Uuid);
                yield return new Row(
                    instance.Profile, instance.Memory.UsedBytes, instance.Memory.TotalBytes, instance.Activity?.Engine)
                {
                    Gpu = Number(gpu.Index),
                    GpuInstance = Number(instance.GpuInstanceId),
                    ComputeInstance = Number(instance.ComputeInstanceId),
                    Uuid = instance.Uuid,
                    Lease = lease is not null ? lease.Id + StateOf(lease, instance.Uuid)
                        : reading.Cached.Contains(instance.Uuid) ? "(cached)"
                        : Unknown,
                    Owner = lease is null ? Unknown : Owner(lease.Uid, lease.Label),
                    Queue = lease?.Queue ?? Unknown,
                    Processes = Describe(instance.Processes?.Select(p => new LeaseProcessEntry(p.ProcessId, p.Name, null))),
                    Parts = PartsOf(lease, reading),
                };
            }
        }
    }

    private static Row[] PartsOf(LeaseEntry? device, TopReading reading) =>
    [
        .. reading.FractionsOf(device).Select(part =>
            new Row(Share(part.Fraction!), part.Instances[0].UsedMemoryBytes, part.Fraction!.MemoryLimitMiB << 20, null)
            {
                Uuid = part.Instances[0].MigUuid,
                Lease = $"  {part.Id}{(part.IsOverRequest == true ? " (over)" : StateOf(part, part.Instances[0].MigUuid))}",
                Owner = Owner(part.Uid, part.Label),
                Queue = part.Queue,
                Processes = Describe(part.Instances[0].Processes),
            }),
    ];

    /// <summary><c>25%</c>, or <c>25-100%</c> where more can be used that others leave.</summary>
    private static string Share(FractionEntry part) => part.ComputeRequest == part.ComputeLimit
        ? string.Create(CultureInfo.InvariantCulture, $"{part.ComputeRequest:0.#}%")
        : string.Create(CultureInfo.InvariantCulture, $"{part.ComputeRequest:0.#}-{part.ComputeLimit:0.#}%");

    private static string StateOf(LeaseEntry lease, string uuid) =>
        lease.Instances.FirstOrDefault(i => i.MigUuid == uuid)?.Quarantine is not null ? " (fault)"
        : lease.Ending is not null ? " (ends)"
        : "";

    private static IEnumerable<Row> Sorted(IEnumerable<Row> rows, TopSort sort) => sort switch
    {
        TopSort.Memory => rows.OrderByDescending(row => row.UsedBytes ?? -1),
        TopSort.Activity => rows.OrderByDescending(row => row.Activity ?? -1),
        TopSort.Owner => rows.OrderBy(row => row.Owner == Unknown).ThenBy(row => row.Owner, StringComparer.Ordinal),
        _ => rows,
    };

    private static bool IsMeant(IEnumerable<string> texts, string filter) =>
        filter.Length == 0 || texts.Any(text => text.Contains(filter, StringComparison.OrdinalIgnoreCase));

    private static string Describe(IEnumerable<LeaseProcessEntry>? processes) => processes?.ToArray() switch
    {
        null => "?",
        [] => "0",
        var all => $"{Number(all.Length)}: {string.Join(' ', all.Select(p => FileName(p.Name ?? Number(p.Pid))))}",
    };

    private static string FileName(string command) => command[(command.LastIndexOf('/') + 1)..];

    private static string Owner(uint uid, string? label) => label ?? string.Create(CultureInfo.InvariantCulture, $"uid {uid}");

    private static string Word(TopSort sort) => sort.ToString().ToLowerInvariant();

    private static string Cut(string text, int width) => FittedTable.Fit(text, width).TrimEnd();

    private static string Percent(double? part) => part is { } known ? $"{Number((int)Math.Round(known * 100))}%" : Unknown;

    private static string GiB(long? bytes) =>
        bytes is { } known ? (known / (double)(1L << 30)).ToString("0.0", CultureInfo.InvariantCulture) : Unknown;

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A device, or a part of the device above it.</summary>
    private sealed record Row(string Profile, long? UsedBytes, long? TotalBytes, double? Activity)
    {
        public string Gpu { get; init; } = "";

        public string GpuInstance { get; init; } = "";

        public string ComputeInstance { get; init; } = "";

        public required string Uuid { get; init; }

        public required string Lease { get; init; }

        public required string Owner { get; init; }

        public required string Queue { get; init; }

        public required string Processes { get; init; }

        public IReadOnlyList<Row> Parts { get; init; } = [];

        /// <summary>The text that a filter looks into.</summary>
        public IEnumerable<string> Texts => [$"GPU {Gpu}", Uuid, Profile, Lease, Owner, Queue, Processes];
    }
}
