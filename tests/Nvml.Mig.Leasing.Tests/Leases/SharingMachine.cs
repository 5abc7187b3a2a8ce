using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Leasing.Scheduling;
using Nvml.Mig.Leasing.Tests.Mps;

namespace Nvml.Mig.Leasing.Tests.Leases;

/// <summary>
/// GPUs with MIG disabled, the stand-in for MPS, and programs on it. Each test class takes a model that no other shares: the UUIDs of a
/// model are the same everywhere, and daemons of others for it are in the way.
/// </summary>
public abstract class SharingMachine : IDisposable
{
    private readonly List<MpsProgram> _programs = [];

    private protected SharingMachine(string gpus)
    {
        Machine = new LeaseMachine(gpus, hasMig: false);
        Environment.SetEnvironmentVariable(MpsOptions.ProgramVariable, MpsMachine.Control);
        File.SetUnixFileMode(Path.GetDirectoryName(Machine.MpsFolder)!, (UnixFileMode)0x1ED);
    }

    private protected LeaseMachine Machine { get; }

    /// <summary>The user of these tests: root, or whoever runs them.</summary>
    private protected static uint User { get; } = (uint)MigPrivileges.Read().EffectiveUserId;

    public void Dispose()
    {
        foreach (MpsProgram program in _programs)
            program.Dispose();
        foreach (HostProcess daemon in Daemons())
        {
            daemon.Kill();
            foreach (HostProcess server in MpsHost.FindServersOf(daemon.Id))
                server.Kill();
        }

        Machine.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static Claim Quarter(string id) =>
        LeaseMachine.Want(id, "gpu", uid: User) with { Fraction = new Fraction { Share = 0.25m, Mode = FractionMode.Strict } };

    private protected async Task<LeaseManager> OpenAsync()
    {
        LeaseManager manager = await Machine.OpenAsync();
        await manager.SetPolicyAsync(new SchedulerOptions { WholeGpus = true });
        return manager;
    }

    private protected static async Task<GrantedLease[]> ClaimAsync(LeaseManager manager, params string[] ids)
    {
        List<GrantedLease> leases = [];
        foreach (string id in ids)
            leases.Add(await manager.ClaimAsync(Quarter(id), LeaseHold.UntilReleased, TimeSpan.FromSeconds(10)));
        return [.. leases];
    }

    /// <summary>Starts a program of a fraction, which the driver lists.</summary>
    private protected MpsProgram Run(GrantedLease lease, int memoryMiB)
    {
        ProcessStartInfo start = new(
            Path.Combine(Path.GetDirectoryName(MpsMachine.Control)!, "mps-client"),
            [memoryMiB.ToString(CultureInfo.InvariantCulture)])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        foreach ((string name, string value) in lease.Environment)
            start.Environment[name] = value;
        MpsProgram program = new(Process.Start(start)!);
        _programs.Add(program);
        return program;
    }

    private protected HostProcess[] Daemons() => !Directory.Exists(Machine.MpsFolder)
        ? []
        : [.. Directory.GetDirectories(Machine.MpsFolder).SelectMany(device => MpsHost.FindDaemonsIn(Path.Combine(device, "pipe")))];

    /// <summary>A daemon of nobody's for a device.</summary>
    private protected static void StartForeign(string device, string pipe)
    {
        Directory.CreateDirectory(pipe);
        ProcessStartInfo start = new(MpsMachine.Control, ["-d"]) { UseShellExecute = false };
        start.Environment["CUDA_MPS_PIPE_DIRECTORY"] = start.Environment["CUDA_MPS_LOG_DIRECTORY"] = pipe;
        start.Environment["CUDA_VISIBLE_DEVICES"] = device;
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        process.ExitCode.Should().Be(0);
    }
}
