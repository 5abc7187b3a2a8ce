using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// <c>nvmig apply +1g.5gb</c> is killed at random moments, by SIGKILL from outside or in a native call, and repeated until it has said that
/// it is done. Each time there is exactly one more instance, and nothing else has changed. A kill between the report and the end of the
/// journal's entry leaves open whether the report was read: the next such change completes that one, and says that it had nothing to do.
/// </summary>
public class RepeatedChangeTests(ITestOutputHelper output)
{
    private static readonly int Kills = LongTests.Wanted ? 1000 : 20;

    [Fact]
    public void A_change_repeated_after_a_kill_adds_exactly_one()
    {
        using Nvmig nvmig = new();
        Random random = new(20261127);
        Stopwatch time = Stopwatch.StartNew();
        nvmig.Run("apply", "none").ExitCode.Should().Be(0);
        int usual = (int)time.ElapsedMilliseconds;
        string[] there = [];
        int kills = 0;
        int after = 0;
        int open = 0;
        bool wasKilledAfterReport = false;
        while (kills < Kills)
        {
            if (there.Length == 7)
            {
                nvmig.Run("apply", "none").ExitCode.Should().Be(0);
                there = [];
                wasKilledAfterReport = false;
            }

            bool mayComplete = wasKilledAfterReport;

            for (bool done = false; !done;)
            {
                (bool killed, bool said) = ApplyAndKill(nvmig, random, usual);
                kills += killed ? 1 : 0;
                after += killed && said ? 1 : 0;
                done = said;
                wasKilledAfterReport = killed && said;
            }

            string[] now = Read(nvmig);
            if (mayComplete && now.Length == there.Length)
                open++;
            else
                now.Should().HaveCount(there.Length + 1, "after {0} kills", kills);
            there.Should().BeSubsetOf(now, "after {0} kills", kills);
            there = now;
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{kills} kills, {after} of them after the report, {open} before the journal's end"));
    }

    /// <summary>One attempt: whether it was killed, and whether it had said before that it was done.</summary>
    /// <param name="nvmig">The machine.</param>
    /// <param name="random">Decides when it is killed.</param>
    /// <param name="usual">How many milliseconds such a command takes.</param>
    private static (bool Killed, bool Said) ApplyAndKill(Nvmig nvmig, Random random, int usual)
    {
        bool fromOutside = random.Next(2) == 0;
        ProcessStartInfo start = new(Nvmig.Program, ["--simulate", nvmig.Simulate, "apply", "+1g.5gb", "--json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["NVML_STUB_STATE"] = nvmig.StateFile;
        if (!fromOutside)
        {
            start.Environment["NVML_STUB_FAULTS"] = (NvmlFault.Kill("*") with
            {
                Nth = random.Next(1, 110),
                AfterEffect = random.Next(2) == 0,
            }).ToString();
        }

        using Process process = Process.Start(start)!;
        Task<string> said = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        if (fromOutside && !process.WaitForExit(random.Next(usual * 3 / 2)))
            process.Kill();
        process.WaitForExit(TimeSpan.FromMinutes(1)).Should().BeTrue("it must end");
        if (process.ExitCode == 137)
            return (true, IsDone(said.Result));
        process.ExitCode.Should().Be(0, error.Result);
        return (false, true);
    }

    private static bool IsDone(string document)
    {
        try
        {
            return JsonDocument.Parse(document).RootElement.GetProperty("error").ValueKind == JsonValueKind.Null;
        }
        catch (JsonException)
        {
            return false; // Cut off.
        }
    }

    /// <summary>The instances that stand there, each with a compute instance.</summary>
    private static string[] Read(Nvmig nvmig)
    {
        JsonElement[] instances =
            [.. nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray()];
        instances.Where(instance => instance.GetProperty("computeInstances").GetArrayLength() != 1).Should().BeEmpty();
        return [.. instances.Select(instance => instance.GetProperty("computeInstances")[0].GetProperty("migUuid").GetString()!)];
    }
}
