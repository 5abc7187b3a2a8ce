using Nvml.Mig.Leasing.Mps;

namespace Nvml.Mig.Leasing.Tests.Mps;

/// <summary>This assembly as a program: it starts, changes and stops the daemon of a device until it is killed.</summary>
internal static class MpsWorker
{
    public const string Task = "mps";

    public static async Task<int> WorkAsync(string root, string control, string device)
    {
        MpsSupervisor supervisor = new(new MpsOptions { Root = root, Program = control });
        for (int i = 0; ; i++)
        {
            await supervisor.EnsureAsync(device, MpsHost.User, new MpsCaps(50, 2000 + i), restart: true);
            if (i % 3 == 2)
                await supervisor.StopAsync(device);
        }
    }
}
