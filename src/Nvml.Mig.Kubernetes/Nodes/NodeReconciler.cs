using Microsoft.Extensions.Logging;
using Nvml.Mig.Kubernetes.Api;
using Nvml.Mig.Kubernetes.Gpus;

namespace Nvml.Mig.Kubernetes.Nodes;

/// <summary>
/// Makes the GPUs what the node asks for, and writes what became of it. It acts on what is wanted and on what the GPUs are, and not on how
/// that came about: so whatever was left half-done, by a failure or by a death, is done by the next pass.
/// </summary>
internal sealed partial class NodeReconciler(
    MachineLayouts machine, Operands operands, NodeWriter writer, EventWriter events, KnownNode known, ILogger<NodeReconciler> logger)
{
    /// <summary>The layout for which pausing pods did not free a GPU: it is not tried again and again.</summary>
    private WantedLayout? _pausedInVain;

    /// <summary>The state that was last told of, and why.</summary>
    private (WantedLayout Wanted, string State, string? Reason)? _told;

    /// <summary>Compares, changes what differs and can be changed, compares again, and writes the state.</summary>
    /// <param name="node">The node as it is known.</param>
    /// <param name="cancellationToken">Ends it: the node asks for something else, or the agent stops.</param>
    /// <exception cref="KubeException">The API server does not do what it is asked for.</exception>
    /// <exception cref="OperationCanceledException">It was ended: what was begun is begun anew by the next pass.</exception>
    public async Task<PassResult> RunAsync(KubeObject node, CancellationToken cancellationToken)
    {
        // A change that was begun in another pass, or life, is finished here, even if nothing differs any more.
        bool wasChanging = node.Metadata.Annotation(NodeProtocol.ChangingAnnotation) is not null;
        if (WantedLayout.Of(node) is not { } wanted)
        {
            // Pods that were left paused run again; all else is none of this agent's business.
            await FinishAsync(null, wasChanging, new NodeEdit(), cancellationToken).ConfigureAwait(false);
            return new PassResult(null, HasTried: false);
        }

        MachineVerdict look = await machine.LookAsync(wanted, cancellationToken).ConfigureAwait(false);
        bool hasTried = look.Ways.Any();
        if (hasTried)
            look = await ChangeAsync(wanted, look, cancellationToken).ConfigureAwait(false);

        string state = look.State;
        string? reason = look.Reason ?? (state == NodeProtocol.Success ? null : "It is tried again.");
        bool isNews = known.Node is { } last
            && (last.Metadata.Label(NodeProtocol.StateLabel) != state || last.Metadata.Annotation(NodeProtocol.ReasonAnnotation) != reason);
        NodeEdit edit = new NodeEdit().Label(NodeProtocol.StateLabel, state).Annotate(NodeProtocol.ReasonAnnotation, reason);
        await FinishAsync(wanted, wasChanging || look.HasChanged, edit, cancellationToken).ConfigureAwait(false);
        if (isNews)
            await TellAsync(wanted, state, reason, cancellationToken).ConfigureAwait(false);
        return new PassResult(state, hasTried) { Reason = reason };
    }

    /// <summary>Told to stop in the middle of a change: no pods are left paused.</summary>
    public Task ResumeAsync(CancellationToken cancellationToken) => known.Node is { } node
        ? writer.WriteAsync(WantedLayout.Of(node), now => operands.Resume(now, new NodeEdit()), cancellationToken)
        : Task.CompletedTask;

    private async Task<MachineVerdict> ChangeAsync(WantedLayout wanted, MachineVerdict look, CancellationToken cancellationToken)
    {
        LogChanging(look.Describe(wanted));
        bool pauses = look.SwitchesMode;
        MachineVerdict last = await TryAsync(wanted, look, pauses, cancellationToken).ConfigureAwait(false);
        if (pauses || _pausedInVain == wanted || !last.Gpus.Any(g => g.IsHeldInvisibly && g.Way is not null))
            return last;
        // Perhaps these pods are the client that NVML does not show: DCGM keeps GPUs open.
        last = await TryAsync(wanted, last, pauses: true, cancellationToken).ConfigureAwait(false);
        if (last.Gpus.Any(g => g.IsHeldInvisibly))
            _pausedInVain = wanted;
        return last;
    }

    /// <summary>Changes what can be changed, after those pods have gone that pause.</summary>
    private async Task<MachineVerdict> TryAsync(
        WantedLayout wanted, MachineVerdict look, bool pauses, CancellationToken cancellationToken)
    {
        string changing = look.Describe(wanted);
        bool isWanted = await writer.WriteAsync(
            wanted,
            now =>
            {
                NodeEdit edit = new NodeEdit()
                    .Label(NodeProtocol.StateLabel, NodeProtocol.Pending)
                    .Annotate(NodeProtocol.ReasonAnnotation, $"Changes {changing}")
                    .Annotate(NodeProtocol.ChangingAnnotation, changing);
                return pauses ? operands.Pause(now, edit) : edit;
            },
            cancellationToken).ConfigureAwait(false);
        if (!isWanted || known.Node is not { } node)
            throw new OperationCanceledException("The node asks for something else.");
        if (pauses && await operands.WaitUntilGoneAsync(node, cancellationToken).ConfigureAwait(false) is { Count: > 0 } still)
            return look.With([.. look.Ways.Select(way => new GpuVerdict(way.Gpu.Index, NodeProtocol.Failed, Left(still)))]);
        IReadOnlyList<GpuVerdict> changed = await machine.ChangeAsync(look, cancellationToken).ConfigureAwait(false);
        // The GPUs are read back before anything is reported.
        MachineVerdict after = await machine.LookAsync(wanted, cancellationToken).ConfigureAwait(false);
        return after.With(changed) with { HasChanged = look.HasChanged || changed.Any(c => c.HasChanged) };
    }

    /// <summary>
    /// Renews the pods that must see what has changed, ends the pause, and writes the state: in this order, for whoever is killed.
    /// </summary>
    private async Task FinishAsync(WantedLayout? wanted, bool hasChanged, NodeEdit edit, CancellationToken cancellationToken)
    {
        if (hasChanged && await operands.RenewAsync(cancellationToken).ConfigureAwait(false) is { Count: > 0 } renewed)
            LogRenewed(string.Join(", ", renewed));
        edit.Annotate(NodeProtocol.ChangingAnnotation, null);
        if (!await writer.WriteAsync(wanted, now => operands.Resume(now, edit), cancellationToken).ConfigureAwait(false))
            throw new OperationCanceledException("The node asks for something else.");
    }

    /// <summary>Events are a help: that one cannot be written keeps nothing from being done.</summary>
    private async Task TellAsync(WantedLayout wanted, string state, string? reason, CancellationToken cancellationToken)
    {
        if (_told == (wanted, state, reason) || known.Node is not { } node)
            return;
        if (state == NodeProtocol.Success)
            LogDone(wanted.ToString());
        else
            LogNotDone(wanted.ToString(), state, reason!);
        _told = (wanted, state, reason);
        try
        {
            await events.WriteAsync(node, state, reason, wanted, cancellationToken).ConfigureAwait(false);
        }
        catch (KubeException e)
        {
            LogNoEvent(e.Message);
        }
    }

    private static string Left(IReadOnlyList<string> pods) =>
        $"pods that use GPUs were to pause for the change and have not gone in time: {string.Join(", ", pods)}. Nothing was changed.";

    [LoggerMessage(50, LogLevel.Information, "Changes {What}")]
    private partial void LogChanging(string what);

    [LoggerMessage(51, LogLevel.Information, "{Wanted}: all GPUs are divided so.")]
    private partial void LogDone(string wanted);

    [LoggerMessage(52, LogLevel.Warning, "{Wanted}: {State}. {Reason}")]
    private partial void LogNotDone(string wanted, string state, string reason);

    [LoggerMessage(53, LogLevel.Information, "Pods are deleted, so that new ones see the instances: {Pods}")]
    private partial void LogRenewed(string pods);

    [LoggerMessage(54, LogLevel.Warning, "The event of it is not recorded: {Message}")]
    private partial void LogNoEvent(string message);
}

/// <summary>How a pass ended.</summary>
/// <param name="State">The state that the node has now; null if it asks for nothing.</param>
/// <param name="HasTried">Whether something was to be changed, and pods were perhaps disturbed for it.</param>
internal sealed record PassResult(string? State, bool HasTried)
{
    public string? Reason { get; init; }
}
