using System.Diagnostics;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Leasing.Tests;
using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Server;

/// <summary>A real systemd with the agent's unit on a simulated H100, in namespaces of its own: systemd-machine.sh.</summary>
internal sealed class SystemdMachine : IAsyncDisposable
{
    private const string Programs = "/opt/mps";

    /// <summary>The simulated machine: all users can come to it, as to the driver's device files.</summary>
    private const string Devices = "/var/lib/devices";

    private readonly string _folder = Directory.CreateTempSubdirectory("nvmig-systemd-").FullName;
    private readonly string[] _environment;
    private RunningProgram? _systemd;

    private SystemdMachine() => _environment =
    [
        $"NVML_LIBRARY_PATH={Path.Combine(AppContext.BaseDirectory, "libnvml-stub.so")}",
        $"{NvmlSimulator.StateVariable}={Devices}/machine",
        $"{NvmlSimulator.GpusVariable}=H100-SXM5-80GB",
        $"NVMIG_MPS_CONTROL={Programs}/nvidia-cuda-mps-control",
        $"MPS_STUB_DEVICES={Devices}",
        $"NVMIG_AGENT_SOCKET={AgentOptions.DefaultSocket}",
        .. Environment.GetEnvironmentVariable("DOTNET_ROOT") is { } root ? [$"DOTNET_ROOT={root}"] : (string[])[],
    ];

    private string PidFile => Path.Combine(_folder, "pid");

    public static string MpsClient => $"{Programs}/mps-client";

    /// <summary>Starts it, and waits until the agent has told it that it is ready.</summary>
    public static async Task<SystemdMachine> StartAsync()
    {
        SystemdMachine machine = new();
        await machine.BootAsync();
        await Eventually.HoldsAsync(async () => (await machine.ReadAsync("ActiveState")).Should().Be("active", machine._systemd!.Said));
        await machine.RunAsync("chmod", "a+rw", $"{Devices}/machine");
        return machine;
    }

    /// <summary>Runs a program in it as root, and returns what it prints. It must succeed.</summary>
    public async Task<string> RunAsync(params string[] command)
    {
        (int exit, string output, string error) = await AgentMachine.RunAsync([.. Inside(), .. command]);
        exit.Should().Be(0, "{0} said {1}", command, error);
        return output;
    }

    /// <summary>A property of the unit.</summary>
    public async Task<string> ReadAsync(string property) =>
        (await RunAsync("systemctl", "show", "--value", $"--property={property}", "nvmig-agent")).Trim();

    /// <summary>Starts a program in it as a user.</summary>
    public RunningProgram Start(uint uid, params string[] command)
    {
        string[] all = [.. Inside(), "setpriv", $"--reuid={uid}", $"--regid={uid}", "--clear-groups", .. command];
        return new RunningProgram(new ProcessStartInfo(all[0], all[1..]));
    }

    public async ValueTask DisposeAsync()
    {
        if (_systemd is { } systemd)
        {
            if (File.Exists(PidFile))
                await AgentMachine.RunAsync(["kill", "-KILL", ReadPid()]);
            await systemd.EndAsync();
            systemd.Dispose();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private async Task BootAsync()
    {
        string files = Make("files");
        SimulatedMps.Install(files + Programs);
        string unit = files + "/etc/systemd/system/nvmig-agent.service";
        Directory.CreateDirectory(unit + ".d");
        Directory.CreateDirectory(files + Devices).UnixFileMode |= (UnixFileMode)0b111_111_111;
        (_, string text, _) = await AgentMachine.RunAsync([AgentProcess.Program, "--print-unit"]);
        await File.WriteAllTextAsync(unit, text);
        await File.WriteAllTextAsync(
            unit + ".d/simulated.conf",
            $"[Service]\nEnvironment={string.Join(' ', _environment)}\nReadWritePaths={Devices}\n");
        string script = Path.Combine(AgentMachine.Repository, "tests/Nvml.Mig.Agent.Tests/Server/systemd-machine.sh");
        _systemd = new RunningProgram(new ProcessStartInfo("sh", [script, Make("work"), files, AgentMachine.Repository, PidFile]));
        await Eventually.HoldsAsync(() =>
        {
            _systemd.Process.HasExited.Should().BeFalse(_systemd.Said);
            File.Exists(PidFile).Should().BeTrue();
        });
    }

    private string Make(string folder) => Directory.CreateDirectory(Path.Combine(_folder, folder)).FullName;

    private string ReadPid() => File.ReadAllText(PidFile).Trim();

    private string[] Inside() => ["nsenter", "--target", ReadPid(), "-m", "-p", "-u", "-i", "-r", "-w", "env", .. _environment];
}

/// <summary>A test with a real systemd, which is a long one.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class SystemdFactAttribute : FactAttribute
{
    public SystemdFactAttribute() => Skip =
        !LongTests.Wanted ? "It is a long test: NVMIG_LONG_TESTS=1."
        : Environment.UserName != "root" ? "It makes namespaces and mounts, which root can do."
        : !File.Exists("/lib/systemd/systemd") ? "There is no systemd: apt-get install systemd."
        : null;
}
