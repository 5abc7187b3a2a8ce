using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Leasing.Mps;

/// <summary>The commands to a daemon, each with what is read back.</summary>
internal sealed class MpsDaemon(MpsControl control)
{
    /// <summary>The status of a server that takes clients.</summary>
    public const string Active = "ACTIVE";

    /// <summary>
    /// The status of a server that starts: for some tenths of a second on an H200 with driver 580.159.04. Its caps read otherwise
    /// meanwhile.
    /// </summary>
    private const string Initializing = "INITIALIZING";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(10);

    /// <summary>Null, or why it did not start.</summary>
    public async Task<string?> StartAsync(MpsFolder folder, CancellationToken cancellationToken)
    {
        MpsReply reply = await control.StartDaemonAsync(folder, cancellationToken).ConfigureAwait(false);
        // Without a word where the device does not exist: measured.
        string said = reply.Output.Trim() is { Length: > 0 } output ? output : "it said nothing";
        return reply.ExitCode == 0 ? null
            : Invariant($"'{MpsControl.ProgramName} -d' ended with exit code {reply.ExitCode} ({said})");
    }

    /// <summary>Whether any daemon answers in the folder.</summary>
    public async Task<bool> AnswersAsync(MpsFolder folder, CancellationToken cancellationToken) =>
        Directory.Exists(folder.Pipe)
        && (await control.AskAsync(folder, ["get_server_list"], cancellationToken).ConfigureAwait(false)).ExitCode == 0;

    /// <summary>Sets the caps for servers to come and for those that run, and reads all of them back.</summary>
    public async Task SetCapsAsync(MpsFolder folder, MpsCaps caps, CancellationToken cancellationToken)
    {
        // Before the list of servers is read: one that starts after this has them.
        string[] lines = await AskAsync(
            folder,
            cancellationToken,
            $"set_default_active_thread_percentage {caps.PercentageText}",
            $"set_default_device_pinned_mem_limit {MpsCaps.Device} {caps.MemoryText}",
            "get_server_list").ConfigureAwait(false);
        foreach (int server in Numbers(lines))
        {
            await ReadStatusAsync(folder, server, cancellationToken).ConfigureAwait(false);
            await AskAsync(
                folder,
                cancellationToken,
                Invariant($"set_active_thread_percentage {server} {caps.PercentageText}"),
                Invariant($"set_device_pinned_mem_limit {server} {MpsCaps.Device} {caps.MemoryText}")).ConfigureAwait(false);
        }

        if (await DifferenceAsync(folder, caps, cancellationToken).ConfigureAwait(false) is { } difference)
            throw new MpsException(MpsProblem.NotSet, $"MPS was told to allow {caps} on {folder.Device}, but {difference}.");
    }

    public async Task<bool> HasCapsAsync(MpsFolder folder, MpsCaps caps, CancellationToken cancellationToken) =>
        await DifferenceAsync(folder, caps, cancellationToken).ConfigureAwait(false) is null;

    /// <summary>Servers that end meanwhile are left out.</summary>
    public async Task<IReadOnlyList<MpsServer>> ReadServersAsync(MpsFolder folder, CancellationToken cancellationToken)
    {
        List<MpsServer> servers = [];
        foreach (int id in await ListServersAsync(folder, cancellationToken).ConfigureAwait(false))
        {
            if (await ReadStatusAsync(folder, id, cancellationToken).ConfigureAwait(false) is not { } status
                || HostProcess.Find(id) is not { } process)
            {
                continue;
            }

            string[] lines = await AskAsync(folder, cancellationToken, Invariant($"get_client_list {id}")).ConfigureAwait(false);
            MpsClient[] clients = [.. Numbers(lines).Select(client => new MpsClient(client, MemoryMiB: null))];
            servers.Add(new MpsServer(process, status, clients));
        }

        return servers;
    }

    /// <summary>A server without clients ends at once; with clients it would go on until they have gone: measured.</summary>
    public Task ShutServerDownAsync(MpsFolder folder, HostProcess server, CancellationToken cancellationToken) =>
        AskAsync(folder, cancellationToken, Invariant($"shutdown_server {server.Id}"));

    /// <summary>Ends a daemon, by itself if it can, and waits until it and its servers are gone.</summary>
    public async Task StopAsync(
        MpsFolder folder,
        HostProcess daemon,
        bool force,
        Func<IReadOnlyList<HostProcess>, CancellationToken, Task<bool>> ends,
        CancellationToken cancellationToken)
    {
        string? refusal = null;
        try
        {
            IReadOnlyList<MpsServer> servers = await ReadServersAsync(folder, cancellationToken).ConfigureAwait(false);
            int[] clients = [.. servers.SelectMany(server => server.Clients).Select(client => client.ProcessId)];
            if (clients.Length > 0 && !force)
            {
                throw new MpsException(
                    MpsProblem.InUse,
                    $"The MPS daemon of {folder.Device} has clients: {string.Join(", ", clients.Select(c => Invariant($"process {c}")))}.");
            }

            MpsReply reply = await control.AskAsync(folder, [force ? "quit -t 0" : "quit"], cancellationToken).ConfigureAwait(false);
            refusal = reply.Output.Trim();
        }
        catch (MpsException e) when (force && e.Problem is (MpsProblem.Silent or MpsProblem.NotInstalled))
        {
            refusal = e.Message;
        }

        if (refusal.Length == 0 && await ends([daemon], cancellationToken).ConfigureAwait(false))
            return;
        if (force)
            daemon.Kill();
        if (!await ends([daemon], cancellationToken).ConfigureAwait(false))
            throw new MpsException(MpsProblem.Silent, $"The MPS daemon of {folder.Device} ({daemon}) does not end. {refusal}");
    }

    /// <summary>The status of a server once it has started; null if it has ended.</summary>
    /// <exception cref="MpsException">It starts for too long.</exception>
    private async Task<string?> ReadStatusAsync(MpsFolder folder, int server, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            string[] lines = await AskAsync(folder, cancellationToken, Invariant($"get_server_status {server}")).ConfigureAwait(false);
            if (lines.Length == 0 || IsNotFound(lines[0]))
                return null;
            if (lines[0] != Initializing)
                return lines[0];
            if (Stopwatch.GetElapsedTime(start) >= control.Timeout)
            {
                throw new MpsException(MpsProblem.Silent, Invariant(
                    $"The MPS server of {folder.Device} (process {server}) is {Initializing} after {control.Timeout.TotalSeconds} s."));
            }

            await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>What is other than the caps; null: nothing.</summary>
    private async Task<string?> DifferenceAsync(MpsFolder folder, MpsCaps caps, CancellationToken cancellationToken)
    {
        string[] lines = await AskAsync(
            folder,
            cancellationToken,
            "get_default_active_thread_percentage",
            $"get_default_device_pinned_mem_limit {MpsCaps.Device}",
            "get_server_list").ConfigureAwait(false);
        if (Compare(caps, lines, "for new servers") is { } ofDaemon)
            return ofDaemon;
        foreach (int server in Numbers(lines.Skip(2)))
        {
            if (await ServerDifferenceAsync(folder, server, caps, cancellationToken).ConfigureAwait(false) is { } found)
                return found;
        }

        return null;
    }

    /// <summary>
    /// The same of a server. One that dies now says nothing, or half of it, and is in the list for a moment more: it lets nobody in.
    /// </summary>
    private async Task<string?> ServerDifferenceAsync(MpsFolder folder, int server, MpsCaps caps, CancellationToken cancellationToken)
    {
        HostProcess? process = HostProcess.Find(server);
        string? found = null;
        for (int attempt = 0; attempt < 2 && process is { IsRunning: true }; attempt++)
        {
            if (attempt > 0)
                await Task.Delay(Pause, cancellationToken).ConfigureAwait(false);
            await ReadStatusAsync(folder, server, cancellationToken).ConfigureAwait(false);
            string[] lines = await AskAsync(
                folder,
                cancellationToken,
                Invariant($"get_active_thread_percentage {server}"),
                Invariant($"get_device_pinned_mem_limit {server} {MpsCaps.Device}")).ConfigureAwait(false);
            found = lines.Any(IsNotFound) ? null : Compare(caps, lines, Invariant($"for server {server}"));
            if (found is null)
                return null;
        }

        return process is { IsRunning: true } ? found : null;
    }

    /// <summary>Two lines are right. A limit that is not set prints none, so that something else stands in its place, or nothing.</summary>
    private static string? Compare(MpsCaps caps, string[] lines, string whose)
    {
        string percentage = lines.ElementAtOrDefault(0) ?? "nothing";
        string memory = lines.ElementAtOrDefault(1) is { } line && line[^1] is 'G' or 'M' ? lines[1] : "no limit";
        return percentage != caps.PercentageText ? $"{whose} the thread percentage reads {percentage}, not {caps.PercentageText}"
            : memory != caps.MemoryReadBack ? $"{whose} the limit of memory reads {memory}, not {caps.MemoryReadBack}"
            : null;
    }

    private async Task<IReadOnlyList<int>> ListServersAsync(MpsFolder folder, CancellationToken cancellationToken) =>
        Numbers(await AskAsync(folder, cancellationToken, "get_server_list").ConfigureAwait(false));

    private static int[] Numbers(IEnumerable<string> lines) =>
        [.. lines.Where(line => line.All(char.IsAsciiDigit)).Select(line => int.Parse(line, CultureInfo.InvariantCulture))];

    private static bool IsNotFound(string line) => line.EndsWith("not found", StringComparison.Ordinal);

    /// <summary>The lines that the commands print, all of them together.</summary>
    private async Task<string[]> AskAsync(MpsFolder folder, CancellationToken cancellationToken, params string[] commands)
    {
        MpsReply reply = await control.AskAsync(folder, commands, cancellationToken).ConfigureAwait(false);
        return reply.ExitCode == 0
            ? reply.Lines
            : throw new MpsException(
                MpsProblem.Silent,
                $"The MPS daemon of {folder.Device} does not take '{string.Join("; ", commands)}': {reply.Output.Trim()}.");
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
