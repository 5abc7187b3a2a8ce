using System.Runtime.InteropServices;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// Says what is being done while it is done: a live line on a terminal, one line a step in a log, nothing beside JSON. Always on
/// standard error, so that standard output holds the result alone.
/// </summary>
internal static class Progress
{
    /// <summary>Runs the work, which says what it does next.</summary>
    public static void Run(bool json, Action<Action<string>> work)
    {
        if (json)
        {
            work(_ => { });
        }
        else if (!Terminal.IsErrorLive)
        {
            work(Terminal.WriteProgress);
        }
        else
        {
            // The live line hides the cursor: a signal that ends the process must not leave it so.
            using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Terminal.ShowCursor());
            Terminal.ShowStatus(work);
        }
    }
}
