using System.Diagnostics;
using System.Text.RegularExpressions;
using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Readme;

/// <summary>The transcripts in docs/run.md: one shell runs all lines, and prints what is shown but for numbers, names and times.</summary>
public sealed partial class TranscriptTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public void A_shell_prints_what_the_transcripts_show()
    {
        using Nvmig nvmig = new();
        nvmig.Run("enable").ExitCode.Should().Be(0);
        using TemporaryFolder folder = new();
        string program = folder.File("nvmig");
        File.WriteAllText(program, $"#!/bin/sh\nexec '{Nvmig.Program}' --simulate {nvmig.Simulate} \"$@\"\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        using Process shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "exec 2>&1; exec /bin/sh"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment =
            {
                ["PATH"] = $"{folder.Path}:{Environment.GetEnvironmentVariable("PATH")}",
                ["NVML_STUB_STATE"] = nvmig.StateFile,
            },
        })!;
        List<string> printed = [];
        shell.OutputDataReceived += (_, line) => Add(line.Data);
        shell.BeginOutputReadLine();
        List<string> shown = [.. ReadmeFile.Blocks(Repository.File("docs/run.md"), "console").SelectMany(b => b.Code.Split('\n'))];
        for (int i = 0; i < shown.Count;)
        {
            shown[i].Should().StartWith("$ ");
            string line = shown[i][2..];
            string[] expected = [.. shown.Skip(++i).TakeWhile(l => !l.StartsWith("$ ", StringComparison.Ordinal))];
            i += expected.Length;
            shell.StandardInput.WriteLine(line.EndsWith('&') ? line : $"{line}\necho done");
            shell.StandardInput.Flush();
            string[] all = [.. (line.EndsWith('&') ? expected : [.. expected, "done"]).Select(Normalize)];
            Stopwatch watch = Stopwatch.StartNew();
            string[] got;
            while ((got = Take()).Length < all.Length && (all.Length == 0 || !got.Contains(all[^1])) && watch.Elapsed < Patience)
                Thread.Sleep(20);
            // On a slow machine what is in the way can have gone before it is told that somebody waits for it.
            if (!got.Any(IsWaiting))
                all = [.. all.Where(l => !IsWaiting(l))];
            got.Should().Equal(all, "of '{0}'", line);
            lock (printed)
                printed.Clear();
        }

        shell.StandardInput.WriteLine("exit");
        shell.WaitForExit(Patience).Should().BeTrue();

        string[] Take()
        {
            lock (printed)
                return [.. printed.Where(l => !ShellNotice().IsMatch(l)).Select(Normalize)];
        }

        static bool IsWaiting(string line) => line.Contains(" waits as number ", StringComparison.Ordinal);

        void Add(string? line)
        {
            lock (printed)
            {
                if (line is not null)
                    printed.Add(line);
            }
        }
    }

    /// <summary>The text that differs from machine to machine and from run to run.</summary>
    private static string Normalize(string line) =>
        Space().Replace(Cap().Replace(Time().Replace(Mig().Replace(Run().Replace(line, "run-N"), "MIG"), "TIME"), "capN"), " ").Trim();

    [GeneratedRegex(@"run-\d+-\d+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Run();

    [GeneratedRegex("(MIG|GPU)-[0-9a-f-]{36}", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Mig();

    [GeneratedRegex(@"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Time();

    [GeneratedRegex(@"nvidia-cap\d+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Cap();

    /// <summary>Columns are as wide as their widest cell, framed on a wide terminal and not on a narrow one.</summary>
    [GeneratedRegex(@"[\s│]+", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Space();

    /// <summary>Frames of tables, and what a shell says of a program that was ended.</summary>
    [GeneratedRegex("^[╭├╰]|^(Terminated|Killed)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex ShellNotice();
}
