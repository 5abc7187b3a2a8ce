using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Create;

/// <summary>The instances to create on one GPU, and those created so far.</summary>
internal sealed class CreateWork(GpuDevice gpu, IReadOnlyList<PlacedRequest> wanted, bool withCompute)
{
    private readonly List<(GpuInstance Instance, ComputeInstance? Compute)> _created = [];
    private int _tried;
    private bool _migEnabled;

    /// <summary>The current change; after a failure, the one that failed.</summary>
    private string? _doing;

    /// <summary>Why it stopped on this GPU.</summary>
    private Exception? _failure;

    public GpuDevice Gpu => gpu;

    /// <summary>An interruption can come between a GPU instance and its compute instance.</summary>
    private IEnumerable<string> NotTried =>
    [
        .. _created.Where(c => withCompute && _doing is null && c.Compute is null)
        .Select(c => $"a compute instance in GPU instance {c.Instance.Id}"),
        .. wanted.Skip(_tried).Select(w => w.ToString()),
    ];

    public void EnableMig(Action<string> begin)
    {
        if (gpu.GetMigMode().Current)
            return;
        Do("enabling MIG mode", "", begin, () => ModeCommand.Explain(gpu, gpu.EnableMig(), enable: true) is { } problem
            ? throw problem
            : _migEnabled = true);
    }

    public void Create(Action<string> begin)
    {
        foreach (PlacedRequest next in wanted)
        {
            string count = $" ({_tried + 1} of {wanted.Count})";
            GpuInstance instance = Do($"creating GPU instance {next}", count, begin, () =>
            {
                _tried++;
                return gpu.CreateGpuInstance(next.Profile, next.Placement);
            });
            _created.Add((instance, null));
            if (withCompute)
            {
                string step = $"creating a compute instance in GPU instance {instance.Id}";
                _created[^1] = (instance, Do(step, count, begin, () => instance.CreateComputeInstance()));
            }
        }
    }

    public CreatedEntry ToEntry(bool failed)
    {
        IReadOnlyList<MigDevice> devices = _created.Count == 0 ? [] : TryRead(gpu.GetMigDevices) ?? [];
        return new CreatedEntry(
            gpu.Index,
            gpu.Uuid,
            _migEnabled,
            [.. _created.Select(c => Layout.Entry(c.Instance, c.Compute is null ? [] : [c.Compute], devices))],
            _doing,
            [.. NotTried],
            failed ? TryRead(Room) : [],
            ErrorEntry.FromOptional(_failure));
    }

    /// <summary>After a failure or an interruption: what was done, what failed, what was not tried, and the room left.</summary>
    public string Summary()
    {
        List<string> parts = [];
        if (_migEnabled)
            parts.Add("MIG mode was enabled");
        parts.Add(_created.Count == 0
            ? "nothing was created"
            : "created and left in place: "
                + string.Join(
                    ", ", _created.Select(c => $"GPU instance {c.Instance.Id} ({c.Instance.Profile.Name} at {c.Instance.Placement})")));
        if (_doing is not null)
            parts.Add($"failed: {_doing}");
        if (NotTried.Any())
            parts.Add($"not tried: {string.Join(", ", NotTried)}");
        if (TryRead(Room) is { } room)
            parts.Add($"room now for, each alone: {string.Join(", ", room.Select(r => $"{r.Free} of {r.Total} {r.Profile}"))}");
        return $"GPU {gpu.Index}: {string.Join("; ", parts)}.";
    }

    private T Do<T>(string step, string count, Action<string> begin, Func<T> act)
    {
        try
        {
            begin($"GPU {gpu.Index}: {step}{count}");
            _doing = step;
            T result = act();
            _doing = null;
            return result;
        }
        catch (Exception e) when (e is NvmlException or OperationCanceledException)
        {
            _failure = e;
            throw;
        }
    }

    private IReadOnlyList<RoomEntry> Room() =>
        [.. gpu.GetGpuInstanceProfiles().Select(p => new RoomEntry(p.Name, gpu.GetRemainingCapacity(p), p.MaxInstances))];

    /// <summary>A failure of a reading that only completes the report must not replace the report.</summary>
    private static T? TryRead<T>(Func<T> read)
        where T : class
    {
        try
        {
            return read();
        }
        catch (NvmlException)
        {
            return null;
        }
    }
}
