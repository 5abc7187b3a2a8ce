using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

/// <summary>
/// A <c>systemctl</c> on PATH that has its services in files, writes down what it is called for, and fails on command. PATH is the
/// process's: test classes that use it are of one collection, so that there is one at a time.
/// </summary>
internal sealed class FakeSystemd : IDisposable
{
    public const string Collection = "systemctl on PATH";

    private const string Script = """
        #!/bin/sh
        dir=$(dirname "$0")
        n=$(($(cat "$dir/count" 2>/dev/null || echo 0) + 1))
        echo $n > "$dir/count"
        echo "$*" >> "$dir/calls"
        fault=$(cat "$dir/fault-$n" 2>/dev/null)
        case $fault in
        fail-before) echo "Failed to $1: it is told to." >&2; exit 1 ;;
        kill-before) kill -9 $PPID; exit 1 ;;
        hang) sleep 600 ;;
        esac
        verb=$1
        while [ "$1" != "--" ]; do shift; done
        shift
        for name; do
            unit=$name
            [ -e "$dir/alias-$name" ] && unit=$(cat "$dir/alias-$name")
            case $verb in
            show)
                echo "MainPID=$(cat "$dir/pid-$unit" 2>/dev/null || echo 0)"
                echo "Id=$unit"
                echo "ActiveState=$(cat "$dir/unit-$unit" 2>/dev/null || echo inactive)"
                echo ;;
            stop)
                echo inactive > "$dir/unit-$unit"
                [ -e "$dir/with-$unit" ] && echo inactive > "$dir/unit-$(cat "$dir/with-$unit")" ;;
            start) echo active > "$dir/unit-$unit" ;;
            *) exit 99 ;;
            esac
        done
        case $fault in
        fail-after) echo "Failed to $verb: it is told to." >&2; exit 1 ;;
        kill-after) kill -9 $PPID ;;
        esac
        exit 0

        """;

    private readonly TemporaryFolder _folder = new();
    private readonly string? _path = Environment.GetEnvironmentVariable("PATH");

    public FakeSystemd(params string[] running)
    {
        string script = _folder.File("systemctl");
        File.WriteAllText(script, Script);
        File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        Environment.SetEnvironmentVariable("PATH", $"{_folder.Path}:{_path}");
        foreach (string unit in running)
            Set(unit, "active");
    }

    public string JournalPath => _folder.File("run/nvmig/stopped-services");

    /// <summary>Its calls, without queries.</summary>
    public string[] Changes =>
        [.. Calls.Where(call => !call.StartsWith("show", StringComparison.Ordinal)).Select(call => call.Replace("-- ", ""))];

    public string[] Calls => File.Exists(_folder.File("calls")) ? File.ReadAllLines(_folder.File("calls")) : [];

    public string[] Running => [.. Directory.EnumerateFiles(_folder.Path, "unit-*")
        .Where(file => File.ReadAllText(file).Trim() == "active").Select(file => Path.GetFileName(file)["unit-".Length..]).Order()];

    /// <summary>In the child process: what an operation does with services, on the PATH that it inherits.</summary>
    public static async Task<int> StopAndStartAgain(string recordPath)
    {
        GpuServices services = new() { Units = GpuServices.DefaultUnits, JournalPath = recordPath };
        ServiceReport stopped = await services.StopAsync();
        ServiceReport started = await services.StartAgainAsync();
        return stopped.Succeeded && started.Succeeded ? 0 : 1;
    }

    public GpuServices Services() => new() { Units = GpuServices.DefaultUnits, JournalPath = JournalPath };

    public void Set(string unit, string state) => File.WriteAllText(_folder.File($"unit-{unit}"), state + "\n");

    public void SetMainProcess(string unit, int pid) => File.WriteAllText(_folder.File($"pid-{unit}"), $"{pid}\n");

    public void SetAlias(string alias, string unit) => File.WriteAllText(_folder.File($"alias-{alias}"), unit);

    /// <summary>Has a unit stopped along with another.</summary>
    public void SetDependency(string unit, string dependent) => File.WriteAllText(_folder.File($"with-{unit}"), dependent);

    /// <summary>
    /// The fate of its nth call from now on: fail-before, fail-after, kill-before, kill-after, hang.
    /// </summary>
    public void SetFault(int call, string fault) => File.WriteAllText(_folder.File($"fault-{Calls.Length + call}"), fault);

    public void ClearFaults()
    {
        foreach (string file in Directory.GetFiles(_folder.Path, "fault-*"))
            File.Delete(file);
    }

    public void TakeAway() => File.Delete(_folder.File("systemctl"));

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("PATH", _path);
        _folder.Dispose();
    }
}
