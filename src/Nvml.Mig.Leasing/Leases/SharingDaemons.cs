using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Leases;

/// <summary>The MPS daemons of devices that are leased in fractions, one for each.</summary>
internal sealed class SharingDaemons(Book book, LeaseOptions options)
{
    /// <summary>How often a server is asked how it is.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    /// <summary>The same after one that did not answer: a turn waits for its answer, and so do all others.</summary>
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMinutes(1);

    private readonly MpsSupervisor _mps = new(new MpsOptions { Root = options.MpsFolder });
    private readonly Dictionary<string, DateTimeOffset> _nextLooks = new(StringComparer.Ordinal);

    /// <summary>A turn is for all: what fails at one daemon or its folder must not end it.</summary>
    public static bool IsOfMps(Exception e) => e is MpsException or IOException or UnauthorizedAccessException;

    public static MpsCaps CapsOf(GrantedFraction fraction) => new(fraction.ComputeLimit, (int)fraction.MemoryLimitMiB!.Value);

    /// <summary>Whether the device is held together: without its daemon, programs that start now would have no limits.</summary>
    public bool Runs(GrantedLease device)
    {
        try
        {
            return _mps.Runs(UuidOf(device));
        }
        catch (Exception e) when (IsOfMps(e))
        {
            return false; // A daemon that is not known to run holds nobody.
        }
    }

    /// <summary>Starts a daemon that has died again, with its caps. Null, or why it does not run.</summary>
    public string? StartAgain(GrantedLease device)
    {
        try
        {
            SetCaps(device, restart: true);
            return null;
        }
        catch (Exception e) when (IsOfMps(e))
        {
            return e.Message;
        }
    }

    /// <summary>A server in the state FAULT lets no program in: it is ended once it has no client, and the next one gets another.</summary>
    public void ReplaceFailedServer(GrantedLease device, DateTimeOffset now)
    {
        // One who only looks once, such as a command, has no need to ask: what it starts is checked then.
        if (!_nextLooks.TryGetValue(device.Id, out DateTimeOffset next))
            _nextLooks[device.Id] = now + LookInterval;
        else if (next <= now)
            _nextLooks[device.Id] = now + (TryReplace(device) ? LookInterval : PauseAfterFailure);
    }

    /// <summary>Sets the caps that hold for all fractions of the device, and checks that a program can start.</summary>
    /// <param name="device">The lease of the device.</param>
    /// <param name="restart">Whether a daemon that has died is started again.</param>
    /// <param name="more">The caps of a fraction that comes.</param>
    /// <exception cref="MpsException">It cannot be done.</exception>
    public void SetCaps(GrantedLease device, bool restart = false, MpsCaps? more = null)
    {
        string uuid = UuidOf(device);
        uint user = device.Lease.Claim.Owner.Uid;
        IEnumerable<MpsCaps> caps = book.FractionsOf(device.Id).Select(f => CapsOf(f.Fraction!));
        MpsCaps highest = MpsCaps.Highest(more is { } one ? caps.Append(one) : caps);
        _mps.EnsureAsync(uuid, user, highest, restart).GetAwaiter().GetResult();
        try
        {
            _mps.CheckAsync(uuid, user).GetAwaiter().GetResult();
        }
        catch (MpsException e) when (e.Problem == MpsProblem.Faulty)
        {
            if (!_mps.ReplaceFaultyServerAsync(uuid).GetAwaiter().GetResult())
                throw;
            _mps.CheckAsync(uuid, user).GetAwaiter().GetResult();
        }
    }

    /// <summary>A fraction has gone: programs of the others that start next have what is theirs now.</summary>
    public void LowerCaps(GrantedLease device)
    {
        if (!book.FractionsOf(device.Id).Any() || device.Ending is not null)
            return;
        try
        {
            SetCaps(device);
        }
        catch (Exception e) when (IsOfMps(e))
        {
            // Each program has its own cap all the same. The next turn finds a daemon that has died, the next claim a faulty server.
        }
    }

    /// <summary>Stops the daemon of a device that no process uses. Null, or why it does not stop yet: then it is tried again.</summary>
    public string? Stop(GrantedLease device)
    {
        string uuid = UuidOf(device);
        try
        {
            try
            {
                _mps.StopAsync(uuid).GetAwaiter().GetResult();
            }
            catch (MpsException e) when (e.Problem is MpsProblem.Silent or MpsProblem.Foreign or MpsProblem.NotInstalled)
            {
                // Nobody uses the device, and it is to be another's: what does not obey is ended.
                _mps.StopAsync(uuid, force: true).GetAwaiter().GetResult();
            }

            _nextLooks.Remove(device.Id);
            return null;
        }
        catch (Exception e) when (IsOfMps(e))
        {
            return e.Message; // A client still runs, for instance.
        }
    }

    /// <summary>The variables of a program of a fraction.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentOf(GrantedLease device, GrantedFraction fraction) =>
        _mps.EnvironmentOf(UuidOf(device), CapsOf(fraction));

    /// <inheritdoc cref="MpsSupervisor.FindOthers"/>
    public IReadOnlyList<HostProcess> FindOthers() => _mps.FindOthers();

    /// <summary>Why the programs of a GPU cannot share it; null if they can.</summary>
    /// <param name="gpu">The GPU.</param>
    /// <param name="others">The daemons that are not ours.</param>
    /// <exception cref="NvmlException">It is lost.</exception>
    public static string? WhyNot(GpuDevice gpu, IReadOnlyList<HostProcess> others)
    {
        try
        {
            if (gpu.GetComputeMode() == ComputeMode.Prohibited)
                return "Its compute mode is Prohibited: no program can use it (nvidia-smi -c DEFAULT).";
        }
        catch (NvmlException e) when (e.Code != NvmlReturnCode.GpuIsLost)
        {
            // Not known: the first program tells.
        }

        return WhyNot(gpu.Uuid, others);
    }

    /// <summary>Why a GPU or MIG device cannot be shared, because of a daemon that is not ours; null if there is none.</summary>
    public static string? WhyNot(string uuid, IReadOnlyList<HostProcess> others) =>
        others.Where(other => FractionUsers.MayServe(other, uuid)).Select(other =>
            $"An MPS daemon that leasing did not start may serve it ({other}), and nobody counts the memory of its programs. End it first "
                + "(echo quit | nvidia-cuda-mps-control, with its CUDA_MPS_PIPE_DIRECTORY).").FirstOrDefault();

    private static string UuidOf(GrantedLease device) => device.Instances[0].MigUuid;

    private bool TryReplace(GrantedLease device)
    {
        try
        {
            _mps.ReplaceFaultyServerAsync(UuidOf(device)).GetAwaiter().GetResult();
            return true;
        }
        catch (Exception e) when (IsOfMps(e))
        {
            return false;
        }
    }
}
