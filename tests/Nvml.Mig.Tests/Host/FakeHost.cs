using System.Globalization;
using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

/// <summary>A host's file system in a folder: what the driver and the kernel would show, as plain files and links.</summary>
internal sealed class FakeHost : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public FakeHost()
    {
        Directory.CreateDirectory(_folder.File("proc"));
        WriteFile("/proc/2/comm", "kthreadd\n");
        WriteFile("/proc/2/maps", "");
    }

    public HostRoot Root => new(_folder.Path);

    /// <summary>The driver's file of device numbers, as an H200 with driver 580 has it.</summary>
    public void AddDriver()
    {
        List<string> lines = ["config 1", "monitor 2"];
        for (int gpu = 0; gpu < 32; gpu++)
        {
            for (int gi = 0; gi < 15; gi++)
            {
                lines.Add($"gpu{gpu}/gi{gi}/access {lines.Count + 1}");
                for (int ci = 0; ci < 8; ci++)
                    lines.Add($"gpu{gpu}/gi{gi}/ci{ci}/access {lines.Count + 1}");
            }
        }

        WriteFile("/proc/driver/nvidia-caps/mig-minors", string.Join('\n', lines) + "\n");
    }

    public void WriteFile(string path, string text = "")
    {
        string file = Root.Locate(path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }

    public void AddDevices(params string[] nodes)
    {
        foreach (string node in nodes)
            WriteFile(node);
    }

    /// <summary>This process, as its status file tells it.</summary>
    public void AddSelf(int user, ulong capabilities, string userMap = "         0          0 4294967295\n")
    {
        WriteFile("/proc/4711/status", $"Name:\ttest\nUid:\t1000\t{user}\t0\t0\nCapEff:\t{capabilities:x16}\nSeccomp:\t0\n");
        WriteFile("/proc/4711/uid_map", userMap);
        File.CreateSymbolicLink(Root.Locate("/proc/self"), "4711");
    }

    /// <summary>A process with files open by descriptor, and others mapped.</summary>
    public void AddProcess(
        int pid, string name, string command = "", string cgroup = "0::/\n", string[]? open = null, string[]? mapped = null)
    {
        string folder = $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}";
        WriteFile($"{folder}/comm", name[..Math.Min(15, name.Length)] + "\n");
        WriteFile($"{folder}/cmdline", command);
        WriteFile($"{folder}/cgroup", cgroup);
        WriteFile(
            $"{folder}/maps",
            "7ffc0000-7ffc1000 rw-p 00000000 00:00 0                          [stack]\n"
            + string.Concat(
                (mapped ?? []).Select(file => $"7f000428e000-7f000428f000 r--s 00000000 00:06 142                        {file}\n")));
        Directory.CreateDirectory(Root.Locate($"{folder}/fd"));
        Directory.CreateDirectory(Root.Locate($"{folder}/fdinfo"));
        string[] files = ["/dev/null", "socket:[42]", .. open ?? []];
        for (int i = 0; i < files.Length; i++)
        {
            File.CreateSymbolicLink(Root.Locate($"{folder}/fd/{i}"), files[i]);
            WriteFile($"{folder}/fdinfo/{i}");
        }
    }

    public void Dispose() => _folder.Dispose();
}
