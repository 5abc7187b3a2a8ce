using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Nvml.Mig.Host;

/// <summary>
/// The services of a machine that hold GPUs: stops them where they are in the way, as on Ampere for a change of the MIG mode, and starts
/// exactly those again that ran, through <c>systemctl</c> on PATH. Needs root.
/// </summary>
/// <remarks>
/// <para>
/// What is to be started again is on disk before the first service is stopped, and is forgotten service by service as they run again. So
/// nothing is lost when a start fails or the process dies: <see cref="StartAgainAsync"/> of any later process finishes it. Two processes at
/// once are the caller's to exclude.
/// </para>
/// <para>
/// An object is for one operation. <see cref="StopAsync"/> does its work once, whoever asks first: GPUs that are changed side by side can
/// each ask for it when they need it.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// GpuServices services = new();
/// try
/// {
///     if (gpu.EnableMig().Outcome != MigModeOutcome.Activated &amp;&amp; (await services.StopAsync()).Succeeded)
///         gpu.EnableMig();
/// }
/// finally
/// {
///     ServiceReport report = await services.StartAgainAsync();
/// }
/// </code>
/// </example>
[SuppressMessage("Design", "CA1001", Justification = "A SemaphoreSlim has something to dispose of only if its wait handle was asked for.")]
public sealed class GpuServices
{
    /// <summary>Where it is recorded by default what must be started again. It goes with a reboot, as what it is about.</summary>
    public const string DefaultJournalPath = "/run/nvmig/stopped-services";

    private const string RecordHeading = "nvmig stopped services v1";
    private const string ServiceSuffix = ".service";

    /// <summary>systemd itself gives a service 90 seconds to stop before it is killed.</summary>
    internal static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(2);

    /// <summary>What <see cref="GpuClient.Service"/> calls the services that are known here.</summary>
    private static readonly string[] KnownClients = ["nvsm", "dcgm", "dcgm-exporter", "nvidia-persistenced"];

    private readonly SemaphoreSlim _turn = new(1);
    private ServiceReport? _stopped;

    /// <summary>The services that are known to hold GPUs, those first that depend on the others.</summary>
    public static IReadOnlyList<string> DefaultUnits { get; } = ["dcgm-exporter.service", "nvsm.service", "nvidia-dcgm.service", "dcgm.service", "nvidia-persistenced.service"];

    /// <summary>
    /// The units to stop, in this order; they are started in the opposite one. Null: <see cref="DefaultUnits"/>, and before them units of
    /// other names whose main process is one of these services and has device files of the driver open.
    /// </summary>
    public IReadOnlyList<string>? Units { get; init; }

    /// <summary>Where it is recorded what must be started again: a file of this user's alone.</summary>
    public string JournalPath { get; init; } = DefaultJournalPath;

    /// <summary>How long each call of systemctl may take; by default 2 minutes. The service manager goes on by itself after that.</summary>
    public TimeSpan Timeout { get; init; } = DefaultTimeout;

    /// <summary>Where the host's /proc is found, to see who holds GPUs.</summary>
    public HostRoot Root { get; init; }

    /// <summary>
    /// What is done before services are stopped. If one fails, nothing is stopped. After a death they run again with the next stop.
    /// </summary>
    public IReadOnlyList<ServiceHook> BeforeStop { get; init; } = [];

    /// <summary>
    /// What is done after the services were started again, also if some could not be, and then once more with the next try.
    /// </summary>
    public IReadOnlyList<ServiceHook> AfterStart { get; init; } = [];

    /// <summary>
    /// Stops the services that run. What cannot be stopped undoes it: what was stopped until then is started again at once.
    /// </summary>
    /// <param name="cancellationToken">Cancels it; what was stopped is started again.</param>
    /// <returns>What was stopped, and what failed. Only if it <see cref="ServiceReport.Succeeded"/>, the services stand still.</returns>
    /// <exception cref="IOException">The record cannot be read or written; nothing was stopped.</exception>
    /// <exception cref="UnauthorizedAccessException">The record may not be read or written; nothing was stopped.</exception>
    /// <exception cref="InvalidDataException">The record is none of ours; nothing was stopped.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<ServiceReport> StopAsync(CancellationToken cancellationToken = default)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return _stopped ??= await StopOnceAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// Starts again what was stopped, by this object or by a process that died. Does nothing if there is nothing recorded. Goes on
    /// where one cannot be started, and keeps it recorded.
    /// </summary>
    /// <param name="cancellationToken">Cancels it; what was not started stays recorded.</param>
    /// <returns>What was started, and what failed.</returns>
    /// <exception cref="IOException">The record cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The record may not be read or written.</exception>
    /// <exception cref="InvalidDataException">The record is none of ours.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<ServiceReport> StartAgainAsync(CancellationToken cancellationToken = default)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            _stopped = null;
            return await StartRecordedAsync(new ServiceReport(), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task<ServiceReport> StopOnceAsync(CancellationToken cancellationToken)
    {
        string[] left = ReadRecord() ?? [];
        string[] running;
        try
        {
            running = await FindRunningAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (HostCommandException e)
        {
            return new ServiceReport { StillStopped = left, Failures = [new ServiceFailure(ServiceAction.Query, null, e.ExitCode, e.Message)] };
        }

        // Before anything else: whatever happens from here on, the next start knows of it. All that run, and not each as its turn comes:
        // systemd stops what depends on a service along with it.
        string[] recorded = [.. left.Except(running, StringComparer.Ordinal), .. running];
        WriteRecord(recorded);
        List<string> stopped = [];
        ServiceFailure? failure = null;
        try
        {
            foreach (ServiceHook hook in BeforeStop)
                failure ??= await RunHookAsync(hook, ServiceAction.BeforeStop, cancellationToken).ConfigureAwait(false);
            foreach (string unit in running)
            {
                if (failure is not null)
                    break;
                failure = await RunAsync(ServiceAction.Stop, "stop", unit, cancellationToken).ConfigureAwait(false);
                if (failure is null)
                    stopped.Add(unit);
            }
        }
        catch (OperationCanceledException)
        {
            await StartRecordedAsync(new ServiceReport(), CancellationToken.None).ConfigureAwait(false);
            throw;
        }

        return failure is null
            ? new ServiceReport { Stopped = stopped, StillStopped = recorded }
            : await StartRecordedAsync(new ServiceReport { Stopped = stopped, Failures = [failure] }, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task<ServiceReport> StartRecordedAsync(ServiceReport before, CancellationToken cancellationToken)
    {
        if (ReadRecord() is not { } recorded)
            return before;
        List<string> remaining = [.. recorded];
        List<string> started = [];
        List<ServiceFailure> failures = [.. before.Failures];
        try
        {
            // After a failure or a death, some may never have been stopped.
            foreach (UnitState unit in await QueryAsync(recorded, cancellationToken).ConfigureAwait(false))
            {
                if (unit.IsRunning)
                    remaining.Remove(unit.Id);
            }
        }
        catch (HostCommandException e)
        {
            // To start what runs does nothing.
            failures.Add(new ServiceFailure(ServiceAction.Query, null, e.ExitCode, e.Message));
        }

        foreach (string unit in remaining.AsEnumerable().Reverse().ToArray())
        {
            if (await RunAsync(ServiceAction.Start, "start", unit, cancellationToken).ConfigureAwait(false) is { } failure)
            {
                failures.Add(failure with { Message = $"{failure.Message} It stays recorded in {JournalPath}, to be tried again." });
                continue;
            }

            started.Add(unit);
            remaining.Remove(unit);
            Forget(() => WriteRecord(remaining));
        }

        foreach (ServiceHook hook in AfterStart)
        {
            if (await RunHookAsync(hook, ServiceAction.AfterStart, cancellationToken).ConfigureAwait(false) is { } failure)
                failures.Add(failure);
        }

        if (remaining.Count == 0)
            Forget(() => File.Delete(JournalPath));
        return before with { Started = started, StillStopped = remaining, Failures = failures };

        // That a record cannot be changed keeps no service from being started: to start what runs does nothing.
        void Forget(Action forget)
        {
            try
            {
                forget();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failures.RemoveAll(failure => failure is { Action: ServiceAction.Record });
                failures.Add(new ServiceFailure(ServiceAction.Record, null, null, $"{JournalPath} still names services that run again: {e.Message} Delete it."));
            }
        }
    }

    /// <summary>The units that run, in the order to stop them, by the one name that each has.</summary>
    private async Task<string[]> FindRunningAsync(CancellationToken cancellationToken)
    {
        Dictionary<string, int[]> holders = Units is null ? FindClients() : [];
        List<UnitState> units = await QueryAsync([.. holders.Keys, .. Units ?? DefaultUnits], cancellationToken).ConfigureAwait(false);
        // A unit that a known service merely runs in can be anything, a job scheduler with all its jobs too: it must be the unit's own.
        return [.. units.Where(u => u.IsRunning && (!holders.TryGetValue(u.Id, out int[]? processes) || processes.Contains(u.MainProcess))).Select(u => u.Id)];
    }

    /// <summary>
    /// Asks for units, in one call, by whatever names. Each is in the answer once: dcgm can be another name of nvidia-dcgm.
    /// </summary>
    private async Task<List<UnitState>> QueryAsync(string[] units, CancellationToken cancellationToken)
    {
        List<UnitState> states = [];
        if (units.Length == 0)
            return states;
        string shown = await SystemctlAsync(["show", "--property=Id,ActiveState,MainPID", "--", .. units], cancellationToken).ConfigureAwait(false);
        foreach (string block in shown.Split("\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            Dictionary<string, string> properties = block.Split('\n').Select(line => line.Split('=', 2)).Where(pair => pair.Length == 2)
                .ToDictionary(pair => pair[0], pair => pair[1].Trim(), StringComparer.Ordinal);
            if (!properties.TryGetValue("Id", out string? id) || !properties.TryGetValue("ActiveState", out string? state))
                throw new HostCommandException(null, $"'systemctl show' said something that is not understood: {block}");
            _ = int.TryParse(properties.GetValueOrDefault("MainPID"), NumberStyles.None, CultureInfo.InvariantCulture, out int process);
            if (!states.Exists(known => known.Id == id))
                states.Add(new UnitState(id, state is "active" or "activating" or "reloading" or "refreshing", process));
        }

        return states;
    }

    /// <summary>Units of other names that known services run in, with the processes that hold GPUs.</summary>
    private Dictionary<string, int[]> FindClients() =>
        GpuClients.Find(Root).Clients
            .Where(holder => KnownClients.Contains(holder.Service, StringComparer.Ordinal) && holder.SystemdUnit?.EndsWith(ServiceSuffix, StringComparison.Ordinal) == true)
            .Where(holder => !DefaultUnits.Contains(holder.SystemdUnit!, StringComparer.Ordinal))
            .GroupBy(holder => holder.SystemdUnit!, holder => holder.ProcessId, StringComparer.Ordinal)
            .ToDictionary(unit => unit.Key, unit => unit.ToArray(), StringComparer.Ordinal);

    private async Task<ServiceFailure?> RunAsync(ServiceAction action, string verb, string unit, CancellationToken cancellationToken)
    {
        try
        {
            await SystemctlAsync([verb, "--", unit], cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (HostCommandException e)
        {
            return new ServiceFailure(action, unit, e.ExitCode, $"Cannot {verb} {unit}: {e.Message}");
        }
    }

    private Task<string> SystemctlAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        HostCommand.RunAsync("systemctl", arguments, Timeout, cancellationToken);

    private static async Task<ServiceFailure?> RunHookAsync(ServiceHook hook, ServiceAction action, CancellationToken cancellationToken)
    {
        try
        {
            await hook.RunAsync(cancellationToken).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            return new ServiceFailure(action, hook.Name, (e as HostCommandException)?.ExitCode, $"The hook '{hook.Name}' failed: {e.Message}");
        }
    }

    /// <summary>The units that are recorded, as they were stopped; null without a record.</summary>
    private string[]? ReadRecord()
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(JournalPath);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        return lines is [RecordHeading, .. string[] units] && Array.TrueForAll(units, unit => unit.Length > 0)
            ? units
            : throw new InvalidDataException($"{JournalPath} is not a record of services that were stopped: it is left alone. Start what must run, and delete it.");
    }

    private void WriteRecord(IEnumerable<string> units) =>
        PrivateFile.Write(JournalPath, Encoding.UTF8.GetBytes(string.Join('\n', [RecordHeading, .. units]) + "\n"));

    /// <summary>A unit as systemd has it; a service has a main process, or 0.</summary>
    private readonly record struct UnitState(string Id, bool IsRunning, int MainProcess);
}
