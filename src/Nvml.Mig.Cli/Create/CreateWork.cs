using Nvml.Mig.Cli.List;
using Nvml.Mig.Cli.Mode;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Cli.Create;

/// <summary>The instances to create on one GPU, and those created so far.</summary>
internal sealed class CreateWork(GpuDevice gpu, MigMode mode, IReadOnlyList<PlacedRequest> wanted, bool withCompute)
{
    private readonly CreatedInstances _created = new(gpu);
    private int _tried;
    private bool _migEnabled;

    /// <summary>The current change; after a failure, the one that failed.</summary>
    private string? _doing;

    /// <summary>Why it stopped on this GPU.</summary>
    private Exception? _failure;

    public GpuDevice Gpu => gpu;

    public MigMode Mode => mode;

    public bool HasFailed => _failure is not null;

    /// <summary>Calls that failed and took effect all the same.</summary>
    public IReadOnlyList<string> Notes => _created.Notes;

    /// <summary>An interruption can come between a GPU instance and its compute instance.</summary>
    private IEnumerable<string> NotTried =>
    [
        .. _created.All.Where(c => withCompute && _doing is null && c.Compute is null)
        .Select(c => $"a compute instance in GPU instance {c.Instance.Id}"),
        .. wanted.Skip(_tried).Select(w => w.ToString()),
    ];

    /// <summary>Enables MIG mode, if it is not.</summary>
    public void EnableMig(Action<string> begin)
    {
        if (mode.Current)
            return;
        Do("enabling MIG mode", "", begin, () =>
        {
            ModeSwitch done = ModeSwitch.Run(gpu, enable: true);
            if (done.IsUncertain)
                _created.Uncertain.Add("the MIG mode");
            if (done.Problem is not null)
                throw done.Problem;
            if (done.Note is not null)
                _created.Notes.Add(done.Note);
            return _migEnabled = true;
        });
    }

    public void Create(Action<string> begin)
    {
        foreach (PlacedRequest next in wanted)
        {
            string count = $" ({_tried + 1} of {wanted.Count})";
            GpuInstance instance = Do($"creating GPU instance {next}", count, begin, () =>
            {
                _created.RememberBefore();
                _tried++;
                return _created.Create(next);
            });
            if (withCompute)
            {
                string step = $"creating a compute instance in GPU instance {instance.Id}";
                Do(step, count, begin, () => _created.CreateInside(instance));
            }
        }
    }

    public CreatedEntry ToEntry(bool failed)
    {
        IReadOnlyList<MigDevice> devices = _created.All.Count == 0 ? [] : TryRead(gpu.GetMigDevices) ?? [];
        return new CreatedEntry(
            gpu.Index,
            gpu.Uuid,
            _migEnabled,
            [.. _created.All.Select(c => Layout.Entry(c.Instance, c.Compute is null ? [] : [c.Compute], devices))],
            _doing,
            [.. NotTried],
            _created.Uncertain,
            failed ? TryRead(Room) : [],
            ErrorEntry.FromOptional(_failure));
    }

    /// <summary>After a failure or an interruption: what was done, what failed, what was not tried, and the room left.</summary>
    public string Summary()
    {
        List<string> parts = [];
        if (_migEnabled)
            parts.Add("MIG mode was enabled");
        parts.Add(_created.All.Count == 0
            ? "nothing was created"
            : "created and left in place: "
                + string.Join(
                    ", ", _created.All.Select(c => $"GPU instance {c.Instance.Id} ({c.Instance.Profile.Name} at {c.Instance.Placement})")));
        if (_created.Uncertain.Count > 0)
            parts[^1] += $", as far as is known; uncertain: {string.Join(", ", _created.Uncertain)}";
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
