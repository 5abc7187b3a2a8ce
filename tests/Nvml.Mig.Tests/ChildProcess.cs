using System.Diagnostics;
using Nvml.Mig.Tests.Applying;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests;

/// <summary>
/// This assembly as a program: what tests need a process of its own for, to let it die at any point. The test runner does not use it.
/// </summary>
internal static class ChildProcess
{
    /// <summary>Runs a task of <see cref="Main"/> in a process of its own, to its end or its death.</summary>
    /// <returns>The exit code; 137 after SIGKILL.</returns>
    public static int Run(string task, params string[] arguments)
    {
        string assembly = typeof(ChildProcess).Assembly.Location;
        using Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", assembly, task, .. arguments]))!;
        process.WaitForExit(TimeSpan.FromMinutes(1)).Should().BeTrue("it must end");
        return process.ExitCode;
    }

    /// <summary>Starts a task that works until the result is disposed of, which kills it. It has said a line first.</summary>
    public static IDisposable Start(string task, params string[] arguments)
    {
        Process process = Process.Start(new ProcessStartInfo("dotnet", ["exec", typeof(ChildProcess).Assembly.Location, task, .. arguments])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        process.StandardOutput.ReadLine().Should().NotBeNull("it must begin");
        return new Killed(process);
    }

    private static async Task<int> Main(string[] arguments) =>
        arguments switch
        {
            [nameof(ApplyTimeTests), string stateFile] => ApplyTimeTests.ReadForEver(stateFile),
            [nameof(FakeSystemd), string recordPath] => await FakeSystemd.StopAndStartAgain(recordPath),
            _ => throw new ArgumentException("There is no such task.", nameof(arguments)),
        };

    private sealed class Killed(Process process) : IDisposable
    {
        public void Dispose()
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
