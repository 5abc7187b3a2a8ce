using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;

namespace Nvml.Mig.Agent;

/// <summary>Makes the layout of a file at the start, on the GPUs that nobody leases instances of.</summary>
internal sealed partial class BaselineLayout(NvmlSession session, IOptions<AgentOptions> options, ILogger<BaselineLayout> logger)
    : IHostedService
{
    private readonly BaselineOptions _baseline = options.Value.Baseline;
    private readonly string _journal = options.Value.Leasing.JournalFolder;

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_baseline.File is not { } file)
            return;
        ResolvedLayout layout = LayoutFile.Read(file).GetLayout(_baseline.Layout).Resolve([.. session.Devices.Select(Identify)]);
        ILookup<string, PromisedInstance> leased = PromisedInstance.ReadAll(_journal).Where(p => p.IsInForce)
            .ToLookup(p => p.Gpu, StringComparer.Ordinal);
        List<GpuTarget> targets = [];
        foreach (ResolvedGpu wanted in layout.Gpus)
        {
            GpuDevice gpu = session.Devices[wanted.Gpu.Index];
            if (ReadUuid(gpu) is not { } uuid)
                continue;
            if (leased.Contains(uuid))
                LogLeftAlone(gpu.Index, string.Join(", ", leased[uuid].Select(p => p.Lease).Distinct(StringComparer.Ordinal)));
            else
                targets.Add(new GpuTarget(gpu, wanted.Layout, wanted.IsMigEnabled));
        }

        if (targets.Count == 0)
            return;
        ApplyOptions apply = new() { JournalFolder = _journal, LockTimeout = Timeout.InfiniteTimeSpan };
        ApplyResult result = await LayoutApplier.ApplyAsync(targets, apply, cancellationToken: cancellationToken);
        foreach (GpuApplyResult gpu in result.Gpus)
        {
            if (gpu.IsSuccess)
                LogMade(gpu.Gpu.Index, gpu.Outcome);
            else
                LogNotMade(gpu.Gpu.Index, gpu.Message);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Null, and that is logged, if it does not answer: the others have their layout all the same.</summary>
    private string? ReadUuid(GpuDevice gpu)
    {
        try
        {
            return gpu.Uuid;
        }
        catch (NvmlException e)
        {
            LogNotMade(gpu.Index, e.Message);
            return null;
        }
    }

    private static GpuIdentity Identify(GpuDevice gpu)
    {
        try
        {
            return GpuIdentity.From(gpu);
        }
        catch (NvmlException)
        {
            return GpuIdentity.Unreadable(gpu.Index);
        }
    }

    [LoggerMessage(40, LogLevel.Information, "GPU {Gpu}: the baseline layout is there ({Outcome}).")]
    private partial void LogMade(int gpu, ApplyOutcome outcome);

    [LoggerMessage(41, LogLevel.Information, "GPU {Gpu} keeps its layout: instances of it are leased ({Leases}).")]
    private partial void LogLeftAlone(int gpu, string leases);

    [LoggerMessage(42, LogLevel.Error, "GPU {Gpu} does not have the baseline layout: {Message}")]
    private partial void LogNotMade(int gpu, string message);
}
