using System.Diagnostics;
using Xunit.Sdk;

namespace Nvml.Mig.Tests;

/// <summary>Waits for what comes soon, and on a busy machine later. A fixed pause is too short there.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Repeats assertions until they hold. After half a minute their failure is the test's.</summary>
    public static async Task HoldsAsync(Func<Task> assertions)
    {
        for (Stopwatch watch = Stopwatch.StartNew(); true; await Task.Delay(20))
        {
            try
            {
                await assertions();
                return;
            }
            catch (XunitException) when (watch.Elapsed < Patience)
            {
                // Not yet.
            }
        }
    }

    /// <inheritdoc cref="HoldsAsync(Func{Task})"/>
    public static Task HoldsAsync(Action assertions) => HoldsAsync(() =>
    {
        assertions();
        return Task.CompletedTask;
    });
}
