using System.Diagnostics;
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

    private static async Task<int> Main(string[] arguments) =>
        arguments switch
        {
            [nameof(FakeSystemd), string recordPath] => await FakeSystemd.StopAndStartAgain(recordPath),
            _ => throw new ArgumentException("There is no such task.", nameof(arguments)),
        };
}
