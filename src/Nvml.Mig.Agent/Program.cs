using System.Reflection;
using Microsoft.Extensions.Options;
using Nvml.Mig.Agent.Options;
using Nvml.Mig.Applying;
using Nvml.Mig.Configuration;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Agent;

/// <summary><c>nvmig-agent</c>.</summary>
internal static class Program
{
    private const int UsageExit = 64;

    private const string Usage = $"""
        Usage: nvmig-agent [options]
        Shares this machine's NVIDIA GPUs: leases of MIG instances over a unix socket.

          --config FILE          The configuration, as JSON.
          --socket PATH          The unix socket. By default {AgentOptions.DefaultSocket}.
          --record-folder PATH   Where leases and layouts are recorded. By default {ApplyOptions.DefaultJournalFolder}.
          --library PATH         The NVML library. By default the driver's.
          --kubernetes NODE      Divide the GPUs as the labels of this Kubernetes node say, in place of mig-manager.
          --print-unit           Print a unit for systemd, and exit.
          --check live|ready     Ask the agent at the socket how it is, for probes: exit code 0 if well, else 1.
          --version, --help

        """;

    /// <summary>Options that have a value, with the key of the configuration that each sets.</summary>
    private static readonly Dictionary<string, string> Keys = new(StringComparer.Ordinal)
    {
        ["--socket"] = "Socket",
        ["--record-folder"] = "Leasing:JournalFolder",
        ["--library"] = "LibraryPath",
        ["--kubernetes"] = "Kubernetes:Node",
    };

    private static async Task<int> Main(string[] arguments)
    {
        switch (arguments)
        {
            case ["--help" or "-h"]:
                await Console.Out.WriteAsync(Usage);
                return 0;
            case ["--version"]:
                await Console.Out.WriteLineAsync(
                    typeof(Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion);
                return 0;
            case ["--print-unit", .. var rest]:
                await Console.Out.WriteAsync(ReadUnit(rest));
                return 0;
            case ["--check", ("live" or "ready") and var what]:
                return await HealthProbe.RunAsync(AgentOptions.DefaultSocket, what);
            case ["--check", ("live" or "ready") and var what, "--socket", var socket]:
                return await HealthProbe.RunAsync(socket, what);
        }

        try
        {
            await using WebApplication app = AgentServer.Build(Read(arguments));
            await app.RunAsync();
            return 0;
        }
        catch (OperationCanceledException)
        {
            return 0; // It was told to stop while it still started.
        }
        catch (FormatException e)
        {
            await Console.Error.WriteLineAsync($"nvmig-agent: {e.Message}");
            return UsageExit;
        }
        catch (Exception e) when (e is OptionsValidationException or NvmlException or LeaseException or JournalException
            or LayoutFileException or IOException or UnauthorizedAccessException or InvalidDataException or InvalidOperationException)
        {
            // The machine or the configuration is at fault: a stack would hide it.
            await Console.Error.WriteLineAsync($"nvmig-agent: {e.Message}");
            return 1;
        }
    }

    private static IConfigurationRoot Read(string[] arguments)
    {
        ConfigurationBuilder builder = new();
        Dictionary<string, string?> named = new(StringComparer.Ordinal);
        for (int i = 0; i < arguments.Length; i += 2)
        {
            if (i + 1 == arguments.Length || arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
                throw new FormatException($"There is no option {arguments[i]}, or it lacks a value. Try --help.");
            if (arguments[i] == "--config")
                builder.AddJsonFile(Path.GetFullPath(arguments[i + 1]), optional: false);
            else if (Keys.TryGetValue(arguments[i], out string? key))
                named[key] = arguments[i + 1];
            else
                throw new FormatException($"There is no option {arguments[i]}. Try --help.");
        }

        // Options count more than the file.
        return builder.AddInMemoryCollection(named).Build();
    }

    /// <summary>The unit, for this program and the options that it is to be started with.</summary>
    private static string ReadUnit(string[] options)
    {
        using StreamReader reader = new(typeof(Program).Assembly.GetManifestResourceStream("nvmig-agent.service")!);
        string program = Environment.ProcessPath ?? "nvmig-agent";
        // The program can be dotnet, which runs the first argument.
        string[] words = Path.GetFileName(program) == "dotnet"
            ? [program, Path.GetFullPath(Environment.GetCommandLineArgs()[0]), .. options]
            : [program, .. options];
        return reader.ReadToEnd().Replace("@COMMAND@", string.Join(' ', words.Select(Quote)), StringComparison.Ordinal);
    }

    /// <summary>A word as systemd reads it: it puts something else in place of % and $, and takes quotes as a shell does.</summary>
    private static string Quote(string word)
    {
        string escaped = word.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("%", "%%", StringComparison.Ordinal).Replace("$", "$$", StringComparison.Ordinal);
        return word.All(c => char.IsAsciiLetterOrDigit(c) || "/._-+:=@,%$\\".Contains(c)) ? escaped : $"\"{escaped}\"";
    }
}
