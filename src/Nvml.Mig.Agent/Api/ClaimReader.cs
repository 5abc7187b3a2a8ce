using System.Globalization;
using Nvml.Mig.Agent.Callers;
using Nvml.Mig.Agent.Documents;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent.Api;

/// <summary>Reads claims of callers: whose they are is what the connection says, not what the request says.</summary>
internal sealed class ClaimReader(Rights rights)
{
    private const int MaxName = 128;

    private const int MaxInstances = 256;

    /// <summary>A year: more is meant to be without end.</summary>
    private const double MaxSeconds = 365 * 86_400;

    public Claim Read(ClaimRequest request, Caller caller)
    {
        string id = request.Id ?? Calls.NewName();
        CheckName(id, "id");
        CheckName(request.Queue, "queue");
        if (request.Label is { } label)
            CheckName(label, "label");
        rights.RequireQueue(caller, request.Queue);
        if (request.Requests.Count is 0 or > MaxInstances || request.Requests.Any(r => r.Count is < 1 or > MaxInstances)
            || request.Requests.Sum(r => r.Count) > MaxInstances)
            throw Wrong(string.Create(CultureInfo.InvariantCulture, $"A claim is for 1 to {MaxInstances} instances."));
        return new Claim(id, request.Queue, ReadOwner(request.Uid, request.Label, caller), [.. request.Requests.Select(ReadRequest)])
        {
            Priority = request.Priority,
            IsPreemptible = request.Preemptible,
            IsRestartable = request.Restartable,
            MinimumRuntime = ReadTime(request.MinimumRuntimeSeconds, "minimumRuntimeSeconds"),
            Gpus = request.Gpus,
            Models = request.Models,
        };
    }

    public LeaseHold ReadHold(ClaimRequest request, Caller caller)
    {
        if (request is { WhileCallerRuns: true, ProcessId: not null })
            throw Wrong("whileCallerRuns and processId exclude each other.");
        HostProcess? process = request.WhileCallerRuns
            ? caller.Process ?? throw Wrong("The process that asks is not on this machine, or not to be seen from here.")
            : request.ProcessId is { } pid ? rights.FindProcess(caller, pid) : null;
        return new LeaseHold(process, ReadDuration(request.DurationSeconds)) { MayEndProcess = request.MayEndProcess };
    }

    /// <summary>The caller, but for those who may do all, who can name another.</summary>
    public LeaseOwner ReadOwner(uint? uid, string? label, Caller caller)
    {
        if (uid is { } other && other != caller.Uid)
            rights.RequireAll(caller, "claim for others");
        return new LeaseOwner(uid ?? caller.Uid, label);
    }

    public static TimeSpan? ReadDuration(double? seconds) =>
        seconds is not { } some ? null : some > 0 ? ReadTime(some, "durationSeconds") : throw Wrong("durationSeconds is more than 0.");

    public static TimeSpan ReadTime(double seconds, string member) => seconds is >= 0 and <= MaxSeconds
        ? TimeSpan.FromSeconds(seconds)
        : throw Wrong($"{member} is from 0 to {MaxSeconds.ToString(CultureInfo.InvariantCulture)}.");

    public static void CheckName(string name, string member)
    {
        if (name.Length is 0 or > MaxName || name.Any(c => char.IsControl(c) || c == '/'))
            throw Wrong($"{member} has 1 to {MaxName} characters, without / and control characters.");
    }

    public static LeaseException Wrong(string message) => new(LeaseError.Invalid, message);

    private static InstanceRequest ReadRequest(InstanceRequestEntry entry)
    {
        InstanceNeed need = new()
        {
            MemoryMiB = entry.MemoryMiB,
            ComputeSlices = entry.ComputeSlices,
            Decoders = entry.Decoders,
            Encoders = entry.Encoders,
            JpegEngines = entry.JpegEngines,
            OfaEngines = entry.OfaEngines,
        };
        bool isNeed = need != new InstanceNeed();
        if (isNeed == entry.Profile is not null || entry.Profile is { Length: 0 or > MaxName })
            throw Wrong("An instance is asked for by profile, or by what it must have.");
        return entry.Profile is { } profile ? InstanceRequest.Of(profile, entry.Count) : InstanceRequest.Of(need, entry.Count);
    }
}
