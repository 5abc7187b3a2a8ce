using System.Runtime.InteropServices;
using Spectre.Console;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// Tells what is being done while it is done: a live line on a terminal, one line a step in a log, nothing beside JSON. Always on
/// standard error, so that standard output holds the result alone.
/// </summary>
internal static class Progress
{
    /// <summary>Runs the work and hands it the means to say what comes next.</summary>
    public static void Run(Machine machine, Action<Action<string>> work)
    {
        if (machine.Json)
        {
            work(_ => { });
        }
        else if (Console.IsErrorRedirected)
        {
            work(Console.Error.WriteLine);
        }
        else
        {
            // A signal that ends the process must not leave the cursor hidden, which the live line does.
            using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ => Console.Error.Write("\u001b[?25h"));
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
                .Status()
                .Start("Starting", status => work(step => status.Status(Markup.Escape(step))));
        }
    }
}
