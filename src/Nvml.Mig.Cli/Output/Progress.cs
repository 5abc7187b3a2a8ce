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
            AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) })
                .Status()
                .Start("Starting", status => work(step => status.Status(Markup.Escape(step))));
        }
    }
}
