using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace Nvml.Mig.Host;

/// <summary>
/// The services of a machine that keep GPUs open: stops them where they are in the way, as on Ampere for a change of the MIG mode, and
/// starts exactly those again that ran, through <c>systemctl</c> on PATH. Needs root.
/// </summary>
/// <remarks>
/// <para>
/// A journal on disk names the services before the first one is stopped, and forgets each as it runs again. So nothing is lost when a start
/// fails or the process dies: <see cref="StartAgainAsync"/> of any later process finishes it. The caller excludes two processes at once.
/// </para>
/// <para>
/// An object is for one operation. <see cref="StopAsync"/> does its work once, on the first call.
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
    /// <summary>The default journal of services to start again. Like their being stopped, it does not survive a reboot.</summary>
    public const string DefaultJournalPath = "/run/nvmig/stopped-services";

    private const string Heading = "nvmig stopped services v1";
    private const string ServiceSuffix = ".service";

    /// <summary>systemd itself gives a service 90 seconds to stop before it is killed.</summary>
    internal static readonly TimeSpan DefaultTimeout = TimeSpan.FromMinutes(2);

    /// <summary>The services known here, by their <see cref="GpuClient.Service"/>.</summary>
    private static readonly string[] KnownClients = ["nvsm", "dcgm", "dcgm-exporter", "nvidia-persistenced"];

    private readonly SemaphoreSlim _turn = new(1);
    private ServiceReport? _stopped;

    /// <summary>The services that are known to keep GPUs open, those first that depend on the others.</summary>
    public static IReadOnlyList<string> DefaultUnits { get; } =
        ["dcgm-exporter.service", "nvsm.service", "nvidia-dcgm.service", "dcgm.service", "nvidia-persistenced.service"];

    /// <summary>
    /// The units to stop, in this order; they are started in the opposite one. Null: <see cref="DefaultUnits"/>, and before them units of
    /// other names whose main process is one of these services and has device files of the driver open.
    /// </summary>
    public IReadOnlyList<string>? Units { get; init; }

    /// <summary>The journal of services to start again: a file of this user's alone, in a folder that nobody else can change.</summary>
    public string JournalPath { get; init; } = DefaultJournalPath;

    /// <summary>How long each call of systemctl may take; by default 2 minutes. The service manager goes on by itself after that.</summary>
    public TimeSpan Timeout { get; init; } = DefaultTimeout;

    /// <summary>Where the host's /proc is found, to see the clients of GPUs.</summary>
    public HostRoot Root { get; init; }

    /// <summary>
    /// Actions before services are stopped. If one fails, nothing is stopped. After a death they run again with the next stop.
    /// </summary>
    public IReadOnlyList<ServiceHook> BeforeStop { get; init; } = [];

    /// <summary>
    /// Actions after the services were started again, also if some could not be, and then once more with the next try.
    /// </summary>
    public IReadOnlyList<ServiceHook> AfterStart { get; init; } = [];

    /// <summary>Stops the services that run. If one cannot be stopped, those stopped before it are started again at once.</summary>
    /// <param name="cancellationToken">Cancels it; the stopped services are started again.</param>
    /// <returns>The stopped services and the failures. If it <see cref="ServiceReport.Succeeded"/>, all services stand still.</returns>
    /// <exception cref="IOException">The journal cannot be read or written; nothing was stopped.</exception>
    /// <exception cref="UnauthorizedAccessException">The journal may not be read or written; nothing was stopped.</exception>
    /// <exception cref="InvalidDataException">The journal is not one of ours; nothing was stopped.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
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
    /// Starts the services again that this object or a process that died has stopped. Does nothing without a journal. A service that cannot
    /// be started stays in the journal, and the others are started.
    /// </summary>
    /// <param name="cancellationToken">Cancels it; services that were not started stay in the journal.</param>
    /// <returns>The started services and the failures.</returns>
    /// <exception cref="IOException">The journal cannot be read or written.</exception>
    /// <exception cref="UnauthorizedAccessException">The journal may not be read or written.</exception>
    /// <exception cref="InvalidDataException">The journal is not one of ours.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
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
        string[] left = ReadJournal() ?? [];
        string[] running;
        try
        {
            running = await FindRunningAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (HostCommandException e)
        {
            ServiceFailure query = new(ServiceAction.Query, null, e.ExitCode, e.Message);
            return new ServiceReport { StillStopped = left, Failures = [query] };
        }

        // Before anything else, so that the next start knows of it after any failure from here on. All running services at once:
        // systemd stops the dependents of a service along with it.
        string[] recorded = [.. left.Except(running, StringComparer.Ordinal), .. running];
        WriteJournal(recorded);
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

        if (failure is null)
            return new ServiceReport { Stopped = stopped, StillStopped = recorded };
        ServiceReport failed = new() { Stopped = stopped, Failures = [failure] };
        return await StartRecordedAsync(failed, CancellationToken.None).ConfigureAwait(false);
    }

    private async Task<ServiceReport> StartRecordedAsync(ServiceReport before, CancellationToken cancellationToken)
    {
        if (ReadJournal() is not { } recorded)
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
            // To start a service that runs does nothing.
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
            Forget(() => WriteJournal(remaining));
        }

        foreach (ServiceHook hook in AfterStart)
        {
            if (await RunHookAsync(hook, ServiceAction.AfterStart, cancellationToken).ConfigureAwait(false) is { } failure)
                failures.Add(failure);
        }

        if (remaining.Count == 0)
            Forget(() => File.Delete(JournalPath));
        return before with { Started = started, StillStopped = remaining, Failures = failures };

        // A journal that cannot be changed keeps no service from being started: to start one that runs does nothing.
        void Forget(Action forget)
        {
            try
            {
                forget();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                failures.RemoveAll(failure => failure is { Action: ServiceAction.Record });
                string message = $"{JournalPath} still names services that run again: {e.Message} Delete it.";
                failures.Add(new ServiceFailure(ServiceAction.Record, null, null, message));
            }
        }
    }

    /// <summary>The units that run, in the order to stop them, by the one name that each has.</summary>
    private async Task<string[]> FindRunningAsync(CancellationToken cancellationToken)
    {
        Dictionary<string, int[]> clients = Units is null ? FindClients() : [];
        List<UnitState> units = await QueryAsync([.. clients.Keys, .. Units ?? DefaultUnits], cancellationToken).ConfigureAwait(false);
        return [.. units.Where(u => u.IsRunning && IsOwn(u)).Select(u => u.Id)];

        // A unit that a known service merely runs in can be anything, a job scheduler with all its jobs too: it must be the unit's own.
        bool IsOwn(UnitState unit) => !clients.TryGetValue(unit.Id, out int[]? processes) || processes.Contains(unit.MainProcess);
    }

    /// <summary>
    /// Asks for units, in one call, by whatever names. Each is in the answer once: dcgm can be another name of nvidia-dcgm.
    /// </summary>
    private async Task<List<UnitState>> QueryAsync(string[] units, CancellationToken cancellationToken)
    {
        List<UnitState> states = [];
        if (units.Length == 0)
            return states;
        string[] question = ["show", "--property=Id,ActiveState,MainPID", "--", .. units];
        string shown = await SystemctlAsync(question, cancellationToken).ConfigureAwait(false);
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

    /// <summary>Units of other names that known services run in, with the processes that keep GPUs open.</summary>
    private Dictionary<string, int[]> FindClients() =>
        GpuClients.Find(Root).Clients
            .Where(client => KnownClients.Contains(client.Service, StringComparer.Ordinal))
            .Where(client => client.SystemdUnit?.EndsWith(ServiceSuffix, StringComparison.Ordinal) == true)
            .Where(client => !DefaultUnits.Contains(client.SystemdUnit!, StringComparer.Ordinal))
            .GroupBy(client => client.SystemdUnit!, client => client.ProcessId, StringComparer.Ordinal)
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
            int? exitCode = (e as HostCommandException)?.ExitCode;
            return new ServiceFailure(action, hook.Name, exitCode, $"The hook '{hook.Name}' failed: {e.Message}");
        }
    }

    /// <summary>The units in the journal, as they were stopped; null without a journal.</summary>
    private string[]? ReadJournal()
    {
        if (PrivateFile.Read(JournalPath) is not { } content)
            return null;
        string text = Encoding.UTF8.GetString(content);
        string[] lines = (text.EndsWith('\n') ? text[..^1] : text).Split('\n');
        return lines is [Heading, .. string[] units] && Array.TrueForAll(units, unit => unit.Length > 0)
            ? units
            : throw new InvalidDataException(
                $"{JournalPath} is not a journal of stopped services: it is left alone. Start the services that must run, and delete it.");
    }

    private void WriteJournal(IEnumerable<string> units) =>
        PrivateFile.Write(JournalPath, Encoding.UTF8.GetBytes(string.Join('\n', [Heading, .. units]) + "\n"));

    /// <summary>A unit as systemd has it; a service has a main process, or 0.</summary>
    private readonly record struct UnitState(string Id, bool IsRunning, int MainProcess);
}
