using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>
/// Keeps one control daemon of MPS for each shared device. A daemon outlives this process, and is found again by its folder: nothing is
/// remembered here. Operations on one device must not run beside each other.
/// </summary>
internal sealed class MpsSupervisor(MpsOptions options)
{
    private const int Attempts = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    private readonly MpsDaemon _daemon = new(new MpsControl(options));

    /// <summary>The devices that have a daemon, or had one when it died.</summary>
    public IReadOnlyList<string> Devices => MpsFolder.DevicesOf(options.Root);

    /// <summary>Checks that there is a <c>nvidia-cuda-mps-control</c>, and returns its path.</summary>
    /// <exception cref="MpsException">There is none.</exception>
    public string FindProgram() => new MpsControl(options).Find();

    /// <summary>
    /// Adopts the device's daemon, or starts it, and sets the caps that no client's environment can lift: for servers that start
    /// afterwards, and for clients of those that run. Programs that run keep theirs. Everything that is set is read back.
    /// </summary>
    /// <param name="device">The UUID of a GPU or of a MIG device.</param>
    /// <param name="user">The user whose programs are let in.</param>
    /// <param name="caps">The highest that any fraction of the device is allowed.</param>
    /// <param name="restart">Whether a daemon that has died is replaced. Its clients have failed; they are to be told first.</param>
    /// <param name="cancellationToken">Ends it between two commands; what was started stays, and is adopted next time.</param>
    /// <exception cref="MpsException">It cannot be done, or MPS says something else than what was set.</exception>
    public Task<MpsState> EnsureAsync(
        string device, uint user, MpsCaps caps, bool restart = false, CancellationToken cancellationToken = default)
    {
        caps.Check();
        MpsFolder folder = Folder(device);
        return KnowingDeathAsync(folder, () => EnsureAsync(folder, user, caps, restart, cancellationToken));
    }

    private async Task<MpsState> EnsureAsync(
        MpsFolder folder, uint user, MpsCaps caps, bool restart, CancellationToken cancellationToken)
    {
        MpsRecord? record = folder.Read();
        if (record is { Runs: false, Process: not null } && !restart)
            throw await DeadAsync(folder, record, cancellationToken).ConfigureAwait(false);
        if (record is { Runs: true } && record.User != user)
        {
            throw new MpsException(MpsProblem.InUse, string.Create(
                CultureInfo.InvariantCulture,
                $"Fractions of {folder.Device} are user {record.User}'s, and the fault of one is everybody's. User {user} has to wait."));
        }

        // Those of a daemon that has died end by themselves, if they can: its clients have failed.
        if (record is { Runs: false, Process: { } dead })
            await EndAsync(folder, MpsHost.FindServersOf(dead.Id), cancellationToken).ConfigureAwait(false);
        if (record is not { Runs: true })
            record = await StartAsync(folder, user, cancellationToken).ConfigureAwait(false);
        if (record.Caps != caps || !await _daemon.HasCapsAsync(folder, caps, cancellationToken).ConfigureAwait(false))
        {
            // Until they are read back they are not known: whole GiB are, what is below is not.
            folder.Write(record with { Caps = null });
            await _daemon.SetCapsAsync(folder, caps, cancellationToken).ConfigureAwait(false);
            record = record with { Caps = caps };
            folder.Write(record);
        }

        folder.OpenFor(user);
        return await ReadRunningAsync(folder, record, processes: null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Whether the device's daemon is ours and runs. Asks nobody.</summary>
    public bool Runs(string device) => Folder(device).Read() is { Runs: true };

    /// <summary>The environment of a program that gets a fraction. Check before it starts.</summary>
    /// <param name="device">The UUID of a GPU or of a MIG device.</param>
    /// <param name="caps">The caps of each of its processes. The server's hold too.</param>
    public IReadOnlyDictionary<string, string> EnvironmentOf(string device, MpsCaps caps)
    {
        caps.Check();
        MpsFolder folder = Folder(device);
        return new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["CUDA_VISIBLE_DEVICES"] = device,
            ["CUDA_MPS_PIPE_DIRECTORY"] = folder.Pipe,
            ["CUDA_MPS_LOG_DIRECTORY"] = folder.Log,
            ["CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"] = caps.PercentageText,
            ["CUDA_MPS_PINNED_DEVICE_MEM_LIMIT"] = $"{MpsCaps.Device}={caps.MemoryText}",
        };
    }

    /// <summary>
    /// Checks, just before a program starts, that it will be limited: the daemon is ours, runs and answers, has the caps, and so has its
    /// server, which is ACTIVE. Without a daemon, MPS lets programs run without limits, and without a word.
    /// </summary>
    /// <exception cref="MpsException">The program must not start.</exception>
    public Task CheckAsync(string device, uint user, CancellationToken cancellationToken = default)
    {
        MpsFolder folder = Folder(device);
        return KnowingDeathAsync(folder, () => CheckAsync(folder, user, cancellationToken));
    }

    private async Task<MpsRecord> CheckAsync(MpsFolder folder, uint user, CancellationToken cancellationToken)
    {
        string device = folder.Device;
        if (folder.Read() is not { Process: not null } record)
            throw new MpsException(MpsProblem.Absent, $"There is no MPS daemon for {device}.");
        if (!record.Runs)
            throw await DeadAsync(folder, record, cancellationToken).ConfigureAwait(false);
        if (record.User != user)
            throw new MpsException(MpsProblem.InUse, string.Create(
                CultureInfo.InvariantCulture, $"The MPS daemon of {device} is for user {record.User}, not for user {user}."));
        folder.CheckWayOf(user);
        if (record.Caps is not { } caps || !await _daemon.HasCapsAsync(folder, caps, cancellationToken).ConfigureAwait(false))
        {
            throw new MpsException(
                MpsProblem.NotSet, $"The MPS daemon of {device} has not the caps that it should have. They must be set again first.");
        }

        foreach (MpsServer server in await _daemon.ReadServersAsync(folder, cancellationToken).ConfigureAwait(false))
        {
            if (server.Status != MpsDaemon.Active)
            {
                throw new MpsException(
                    MpsProblem.Faulty,
                    $"The MPS server of {device} ({server.Process}) is {server.Status}, not {MpsDaemon.Active}. "
                        + "It is replaced once it has no client.");
            }
        }

        return record;
    }

    /// <summary>Reads how the daemon is. A dead one is reported, not started again.</summary>
    /// <param name="device">The UUID of a GPU or of a MIG device.</param>
    /// <param name="processes">The processes that NVML lists for the device, for the memory of clients; null: not known.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="MpsException">The daemon or its server does not answer.</exception>
    public async Task<MpsState> ReadAsync(
        string device, IReadOnlyList<GpuProcess>? processes = null, CancellationToken cancellationToken = default)
    {
        MpsFolder folder = Folder(device);
        if (folder.Read() is not { Process: not null } record)
            return new MpsState(device, MpsCondition.Absent, null, null, null, []);
        if (!record.Runs)
        {
            bool isForeign = await _daemon.AnswersAsync(folder, cancellationToken).ConfigureAwait(false);
            return new MpsState(
                device, isForeign ? MpsCondition.Foreign : MpsCondition.Dead, record.User, record.Process, record.Caps, []);
        }

        try
        {
            return await KnowingDeathAsync(folder, () => ReadRunningAsync(folder, record, processes, cancellationToken))
                .ConfigureAwait(false);
        }
        catch (MpsException e) when (e.Problem is MpsProblem.Dead)
        {
            return new MpsState(device, MpsCondition.Dead, record.User, record.Process, record.Caps, []);
        }
    }

    private async Task<MpsState> ReadRunningAsync(
        MpsFolder folder, MpsRecord record, IReadOnlyList<GpuProcess>? processes, CancellationToken cancellationToken)
    {
        IReadOnlyList<MpsServer> servers = await _daemon.ReadServersAsync(folder, cancellationToken).ConfigureAwait(false);
        Dictionary<int, long?> memory = (processes ?? []).GroupBy(p => p.ProcessId)
            .ToDictionary(group => group.Key, group => MemoryOf(group.First()));
        return new MpsState(
            folder.Device,
            servers.All(server => server.Status == MpsDaemon.Active) ? MpsCondition.Running : MpsCondition.Faulty,
            record.User,
            record.Process,
            record.Caps,
            [.. servers.Select(server => server with
            {
                Clients = [.. server.Clients.Select(client => client with { MemoryMiB = memory.GetValueOrDefault(client.ProcessId) })],
            })]);
    }

    /// <summary>
    /// Ends servers in the state FAULT that have no client any more. The next client gets a new one, with the daemon's caps.
    /// </summary>
    /// <returns>Whether one was ended.</returns>
    /// <exception cref="MpsException">It does not end.</exception>
    public async Task<bool> ReplaceFaultyServerAsync(string device, CancellationToken cancellationToken = default)
    {
        MpsFolder folder = Folder(device);
        if (folder.Read() is not { Runs: true, Process: { } daemon })
            return false;
        MpsServer[] faulty =
        [
            .. (await _daemon.ReadServersAsync(folder, cancellationToken).ConfigureAwait(false))
            .Where(server => server.Status != MpsDaemon.Active && server.Clients.Count == 0),
        ];
        foreach (MpsServer server in faulty)
        {
            await _daemon.ShutServerDownAsync(folder, server.Process, cancellationToken).ConfigureAwait(false);
            if (!await EndsAsync([server.Process], cancellationToken).ConfigureAwait(false))
            {
                // The next client gets a new one also after this: measured. A server that is not the daemon's child is not touched.
                if (MpsHost.ParentOf(server.Process.Id) == daemon.Id)
                    server.Process.Kill();
                if (!await EndsAsync([server.Process], cancellationToken).ConfigureAwait(false))
                    throw new MpsException(MpsProblem.Faulty, $"The MPS server of {device} ({server.Process}) does not end.");
            }
        }

        return faulty.Length > 0;
    }

    /// <summary>Stops the daemon with the last fraction of a device. Nothing is left behind, no process and no folder.</summary>
    /// <param name="device">The UUID of a GPU or of a MIG device.</param>
    /// <param name="force">
    /// Whether clients that run are ended with it, and a daemon that does not answer is killed, as is another's in the folder.
    /// </param>
    /// <param name="cancellationToken">Ends the wait; what is left is stopped next time.</param>
    /// <exception cref="MpsException">Clients run, or it does not stop.</exception>
    public async Task StopAsync(string device, bool force = false, CancellationToken cancellationToken = default)
    {
        MpsFolder folder = Folder(device);
        MpsRecord? record = folder.Read();
        if (record is { Runs: true, Process: { } daemon })
            await _daemon.StopAsync(folder, daemon, force, EndsAsync, cancellationToken).ConfigureAwait(false);
        else if (!force && record is { Process: not null } && await _daemon.AnswersAsync(folder, cancellationToken).ConfigureAwait(false))
            throw Foreign(folder);
        if (record?.Process is { } ended)
            await EndAsync(folder, MpsHost.FindServersOf(ended.Id), cancellationToken).ConfigureAwait(false);
        await EndStraysAsync(folder, cancellationToken).ConfigureAwait(false);
        folder.Delete();
    }

    /// <summary>
    /// Daemons that are not ours. They work beside ours on the same GPU, and nothing counts the memory of their clients.
    /// </summary>
    public IReadOnlyList<HostProcess> FindOthers()
    {
        HashSet<int> ours =
            [.. Devices.Select(device => Folder(device).Read()).Where(r => r is { Runs: true }).Select(r => r!.Process!.Value.Id)];
        return [.. MpsHost.FindDaemons().Where(process => !ours.Contains(process.Id))];
    }

    private static long? MemoryOf(GpuProcess process) => process.UsedMemoryBytes is { } bytes ? bytes >> 20 : null;

    private MpsFolder Folder(string device) => new(options.Root, device);

    /// <summary>What does not answer may have died just now: that is said then.</summary>
    private static async Task<T> KnowingDeathAsync<T>(MpsFolder folder, Func<Task<T>> act)
    {
        try
        {
            return await act().ConfigureAwait(false);
        }
        catch (MpsException e) when (e.Problem is MpsProblem.Silent or MpsProblem.NotSet)
        {
            await Task.Delay(Pause, CancellationToken.None).ConfigureAwait(false);
            if (folder.Read() is { Runs: false, Process: not null } record)
                throw Dead(folder, record, e);
            throw;
        }
    }

    private async Task<MpsRecord> StartAsync(MpsFolder folder, uint user, CancellationToken cancellationToken)
    {
        FindProgram();
        if (folder.Read() is { Process: not null } && await _daemon.AnswersAsync(folder, cancellationToken).ConfigureAwait(false))
            throw Foreign(folder);
        await EndStraysAsync(folder, cancellationToken).ConfigureAwait(false);
        string? failure = null;
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            folder.Create();
            MpsRecord record = new(folder.Device, user, HostProcess.BootId, Process: null, Caps: null);
            folder.Write(record);
            failure = await _daemon.StartAsync(folder, cancellationToken).ConfigureAwait(false);
            if (failure is null && folder.ReadPidFile() is { } process)
            {
                record = record with { Process = process };
                folder.Write(record);
                return record;
            }

            // Another one, that was just about to start and that nobody waits for any more, can have come first.
            bool hadRival = await EndStraysAsync(folder, cancellationToken).ConfigureAwait(false);
            folder.Delete();
            if (!hadRival)
                break;
        }

        throw new MpsException(
            MpsProblem.NotStarted, $"The MPS daemon of {folder.Device} did not start: {failure ?? "it has written no process id"}.");
    }

    private async Task<MpsException> DeadAsync(MpsFolder folder, MpsRecord record, CancellationToken cancellationToken) =>
        await _daemon.AnswersAsync(folder, cancellationToken).ConfigureAwait(false)
            ? Foreign(folder)
            : Dead(folder, record, because: null);

    private static MpsException Dead(MpsFolder folder, MpsRecord record, Exception? because) => new(
        MpsProblem.Dead,
        $"The MPS daemon of {folder.Device} ({record.Process}) has died. Its clients have failed, and programs that started now "
            + "would run without limits. It is started again when the leases of its clients have ended.",
        because);

    private static MpsException Foreign(MpsFolder folder) => new(
        MpsProblem.Foreign,
        $"An MPS daemon that is not ours ({folder.ReadPidFile()?.ToString() ?? "its process is not known"}) answers in {folder.Pipe}. "
            + "Whoever started it must end it.");

    /// <summary>
    /// Daemons that were started here by a process that did not live to write it down. Nobody has been let in to them: that comes last.
    /// </summary>
    private async Task<bool> EndStraysAsync(MpsFolder folder, CancellationToken cancellationToken)
    {
        bool found = false;
        // Twice, since a daemon that goes into the background is another process afterwards, which the list can miss.
        for (int quiet = 0; quiet < 2; quiet++)
        {
            IReadOnlyList<HostProcess> strays = MpsHost.FindDaemonsIn(folder.Pipe);
            if (strays.Count == 0)
                continue;
            foreach (HostProcess stray in strays)
                stray.Kill();
            await EndAsync(folder, [.. strays.SelectMany(stray => MpsHost.FindServersOf(stray.Id)), .. strays], cancellationToken)
                .ConfigureAwait(false);
            found = true;
            quiet = -1;
        }

        return found;
    }

    /// <summary>Ends processes that should end by themselves, as servers do whose daemon has gone; a stopped one does not.</summary>
    private async Task EndAsync(MpsFolder folder, IReadOnlyList<HostProcess> left, CancellationToken cancellationToken)
    {
        if (await EndsAsync(left, cancellationToken).ConfigureAwait(false))
            return;
        foreach (HostProcess process in left)
            process.Kill();
        if (!await EndsAsync(left, cancellationToken).ConfigureAwait(false))
            throw new MpsException(MpsProblem.Silent, $"A process of the MPS daemon of {folder.Device} does not end: {left[0]}.");
    }

    /// <summary>Whether the processes end in time.</summary>
    private async Task<bool> EndsAsync(IReadOnlyList<HostProcess> processes, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (processes.Any(process => process.IsRunning))
        {
            if (Stopwatch.GetElapsedTime(start) > options.Timeout)
                return false;
            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }

        return true;
    }
}
