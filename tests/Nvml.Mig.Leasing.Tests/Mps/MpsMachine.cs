using System.Diagnostics;
using System.Globalization;
using Nvml.Mig.Host;
using Nvml.Mig.Leasing.Mps;
using Nvml.Mig.Simulator;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Leasing.Tests.Mps;

/// <summary>A machine with the stand-ins for MPS, one device, and programs on it.</summary>
internal sealed class MpsMachine : IDisposable
{
    /// <summary>The device's memory, and what a daemon of the supervisor inherits.</summary>
    public const int MemoryMiB = 16384;

    private static readonly Lazy<string> Programs = new(() =>
    {
        string folder = Directory.CreateTempSubdirectory("mps").FullName;
        // Programs of other users come here too.
        const UnixFileMode passage = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(folder, passage);
        string devices = Directory.CreateDirectory(Path.Combine(folder, "devices")).FullName;
        File.SetUnixFileMode(devices, passage | UnixFileMode.OtherRead | UnixFileMode.OtherWrite);
        Environment.SetEnvironmentVariable("MPS_STUB_DEVICES", devices);
        Environment.SetEnvironmentVariable("MPS_STUB_MEMORY_MIB", MemoryMiB.ToString(CultureInfo.InvariantCulture));
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        return SimulatedMps.Install(folder);
    });

    private readonly string _folder = Directory.CreateTempSubdirectory("mps").FullName;
    private readonly List<MpsProgram> _programs = [];

    public MpsMachine()
    {
        // Users must be able to come to the daemons' folders.
        File.SetUnixFileMode(_folder, File.GetUnixFileMode(_folder) | UnixFileMode.OtherExecute);
        Options = new MpsOptions
        {
            Root = Path.Combine(_folder, "r"),
            Program = Control,
            Timeout = TimeSpan.FromSeconds(10),
        };
    }

    /// <summary>A device of its own: tests run beside each other.</summary>
    public string Device { get; } = $"GPU-{Guid.NewGuid()}";

    /// <summary>The path of <c>nvidia-cuda-mps-control</c>.</summary>
    public static string Control => Programs.Value;

    public MpsOptions Options { get; set; }

    public MpsSupervisor Supervisor => new(Options);

    public string Root => Options.Root;

    public string Pipe => Path.Combine(Root, Device, "pipe");

    public static long UsableMiB => MpsBudget.UsableMiB(MemoryMiB);

    /// <summary>What NVML would list, as the kernel does.</summary>
    public IReadOnlyList<HostProcess> Processes =>
        [.. MpsHost.FindDaemonsIn(Pipe).SelectMany(daemon => (HostProcess[])[daemon, .. MpsHost.FindServersOf(daemon.Id)])];

    /// <summary>Passes a command to the daemon, as an administrator does.</summary>
    public (int ExitCode, string Output) Say(string command, string? pipe = null)
    {
        using Process process = Start(Control, [], pipe ?? Pipe, Device, []);
        process.StandardInput.WriteLine(command);
        process.StandardInput.Close();
        using StreamReader reader = process.StandardOutput;
        string output = reader.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }

    /// <summary>
    /// A program in place of <c>nvidia-cuda-mps-control</c>. Another process writes it: of a file that this one writes, a program that
    /// another test starts just then has a copy, and the kernel runs no file that somebody could still change.
    /// </summary>
    public void UseScript(string text)
    {
        string script = Path.Combine(_folder, "script");
        using Process writer = Process.Start(new ProcessStartInfo("sh", ["-c", "cat > \"$0\" && chmod 755 \"$0\"", script])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
        })!;
        using (StreamWriter input = writer.StandardInput)
            input.Write("#!/bin/sh\n" + text);
        writer.WaitForExit();
        Options = Options with { Program = script };
    }

    /// <summary>Kills a process, and waits until it has let go of its files: the next daemon wants its lock.</summary>
    public static Task KillAsync(HostProcess process)
    {
        process.Kill();
        return Eventually.HoldsAsync(() => process.IsRunning.Should().BeFalse());
    }

    /// <summary>Starts a daemon that is nobody's.</summary>
    public Process StartDaemon(string pipe)
    {
        Directory.CreateDirectory(pipe);
        return Start(Control, ["-d"], pipe, Device, []);
    }

    /// <inheritdoc cref="StartDaemon"/>
    public void StartForeign(string pipe)
    {
        using Process process = StartDaemon(pipe);
        process.StandardInput.Dispose();
        process.StandardOutput.Dispose();
        process.WaitForExit();
        process.ExitCode.Should().Be(0);
    }

    /// <summary>Starts a program that uses CUDA, with the environment of its fraction.</summary>
    public MpsProgram Run(long memoryMiB, MpsCaps? caps = null, params string[] options)
    {
        IReadOnlyDictionary<string, string> environment = Supervisor.EnvironmentOf(Device, caps ?? new MpsCaps(100, MemoryMiB));
        string client = Path.Combine(Path.GetDirectoryName(Control)!, "mps-client");
        MpsProgram program = new(Start(
            client,
            [.. options, memoryMiB.ToString(CultureInfo.InvariantCulture)],
            environment["CUDA_MPS_PIPE_DIRECTORY"],
            Device,
            environment));
        _programs.Add(program);
        return program;
    }

    /// <summary>Waits until another process begins.</summary>
    public void WaitForFolder()
    {
        if (!SpinWait.SpinUntil(() => Directory.Exists(Root), TimeSpan.FromSeconds(30)))
            throw new InvalidOperationException($"Nobody creates {Root}.");
    }

    public void Dispose()
    {
        foreach (MpsProgram program in _programs)
            program.Dispose();
        foreach (HostProcess process in MpsHost.FindDaemonsIn(_folder))
        {
            process.Kill();
            foreach (HostProcess server in MpsHost.FindServersOf(process.Id))
                server.Kill();
        }

        Directory.Delete(_folder, recursive: true);
    }

    private static Process Start(
        string file, string[] arguments, string pipe, string device, IEnumerable<KeyValuePair<string, string>> environment)
    {
        ProcessStartInfo start = new(file, arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        start.Environment["CUDA_MPS_PIPE_DIRECTORY"] = pipe;
        start.Environment["CUDA_MPS_LOG_DIRECTORY"] = pipe;
        start.Environment["CUDA_VISIBLE_DEVICES"] = device;
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }
}

/// <summary>A program that uses CUDA, and tells what it got.</summary>
internal sealed class MpsProgram : IDisposable
{
    private readonly Process _process;
    private readonly Lazy<string[]> _words;

    public MpsProgram(Process process)
    {
        _process = process;
        _words = new(() => (_process.StandardOutput.ReadLine() ?? "").Split(' '));
    }

    public int Id => _process.Id;

    /// <summary>Null where it did not come so far.</summary>
    public int? Multiprocessors => Value("sm");

    public int? GotMiB => Value("got");

    public int? FreeMiB => Value("free");

    /// <summary>0: it runs without MPS, and without limits.</summary>
    public int? Server => Value("server");

    /// <summary>Why it did not start: CUDA's error.</summary>
    public int? StartError => Value("init");

    public bool HasEnded => _process.HasExited;

    /// <summary>CUDA's error, which ends it; null: none.</summary>
    public int? WaitForError()
    {
        _ = _words.Value;
        string[] words = (_process.StandardOutput.ReadLine() ?? "").Split(' ');
        return words[0] == "error" ? int.Parse(words[1], CultureInfo.InvariantCulture) : null;
    }

    public void Fault() => Say("fault");

    public void Break() => Say("break");

    /// <summary>It ends by itself.</summary>
    public void End()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
    }

    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void WaitForEnd() => _process.WaitForExit();

    public void Dispose()
    {
        if (!_process.HasExited)
            Kill();
        _process.StandardInput.Dispose();
        _process.StandardOutput.Dispose();
        _process.Dispose();
    }

    private int? Value(string name)
    {
        string[] words = _words.Value;
        int at = Array.IndexOf(words, name);
        return at < 0 ? null : int.Parse(words[at + 1], CultureInfo.InvariantCulture);
    }

    private void Say(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }
}
