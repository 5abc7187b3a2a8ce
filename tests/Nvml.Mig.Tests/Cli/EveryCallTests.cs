using System.Globalization;
using System.Text.Json;
using Nvml.Mig.Tests.Applying;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// Each native call of each command that changes something fails once. Afterwards what the command says, as JSON and by its exit code, is
/// held against the machine: it may fail, but it must not tell an untruth.
/// </summary>
public class EveryCallTests(ITestOutputHelper output)
{
    private const string Gpu = "A100-SXM4-40GB";

    private static readonly NvmlReturnCode[] Codes = LongTests.Wanted
        ?
        [
            NvmlReturnCode.Unknown,
            NvmlReturnCode.InUse,
            NvmlReturnCode.NotFound,
            NvmlReturnCode.InvalidArgument,
            NvmlReturnCode.InsufficientResources,
            NvmlReturnCode.NoPermission,
            NvmlReturnCode.GpuIsLost,
        ]
        : [NvmlReturnCode.Unknown];

    [Theory]
    [InlineData("19,9", "apply 14,9")]
    [InlineData("19,9", "apply +19")]
    [InlineData(null, "apply 9/1c/2c")]
    [InlineData("none", "apply 7g.40gb --all-or-nothing")]
    public void Apply(string? start, string command) => FailEachCall([start], command, JudgeApply);

    [Theory]
    [InlineData("19,9", "14,9")]
    [InlineData(null, "9")]
    public void Rollback(string? start, string changed) => FailEachCall([start, changed], "rollback", JudgeApply);

    [Theory]
    [InlineData("none", "create 9,19")]
    [InlineData("19", "create 14 --no-compute-instances")]
    public void Create(string start, string command) => FailEachCall([start], command, JudgeCreate);

    [Theory]
    [InlineData("19,9", "destroy --all")]
    [InlineData("19,9", "destroy 2 --recursive")]
    public void Destroy(string start, string command) => FailEachCall([start], command, JudgeDestroy);

    [Theory]
    [InlineData(null, "enable")]
    [InlineData("none", "disable")]
    public void Mode(string? start, string command) => FailEachCall([start], command, JudgeMode);

    private static void JudgeApply(JsonElement gpu, Machine machine, string because)
    {
        string outcome = gpu.GetProperty("outcome").GetString()!;
        switch (outcome)
        {
            case "Applied":
                machine.Now.Should().Be(machine.Goal, because);
                break;
            case "NotRestored":
                gpu.GetProperty("differences").GetArrayLength().Should().BePositive(because);
                if (gpu.GetProperty("after") is { ValueKind: JsonValueKind.Object } after)
                {
                    after.GetProperty("gpuInstances").EnumerateArray().Select(i => i.GetProperty("id").GetInt32())
                        .Should().BeEquivalentTo(machine.IdsNow, because);
                }

                break;
            default:
                machine.Now.Should().Be(machine.Start, because);
                break;
        }
    }

    private static void JudgeCreate(JsonElement gpu, Machine machine, string because)
    {
        int[] created = [.. gpu.GetProperty("created").EnumerateArray()
            .Where(i => i.GetProperty("id").ValueKind == JsonValueKind.Number).Select(i => i.GetProperty("id").GetInt32())];
        created.Should().BeSubsetOf(machine.IdsNow, because);
        if (gpu.GetProperty("error").ValueKind == JsonValueKind.Null)
            machine.Now.Should().Be(machine.Goal, because);
        else if (!IsUncertain(gpu))
            machine.IdsNow.Except(machine.IdsAtStart).Should().BeSubsetOf(created, because);
    }

    private static bool IsUncertain(JsonElement gpu) => gpu.GetProperty("uncertain").GetArrayLength() > 0;

    private static void JudgeDestroy(JsonElement gpu, Machine machine, string because)
    {
        int[] destroyed = [.. gpu.GetProperty("destroyed").EnumerateArray()
            .Select(n => int.TryParse(n.GetString(), NumberStyles.None, CultureInfo.InvariantCulture, out int id) ? id : -1)
            .Where(id => id >= 0)];
        destroyed.Should().NotIntersectWith(machine.IdsNow, because);
        if (gpu.GetProperty("error").ValueKind == JsonValueKind.Null)
            machine.Now.Should().Be(machine.Goal, because);
        else if (!IsUncertain(gpu))
            machine.IdsAtStart.Except(machine.IdsNow).Should().BeSubsetOf(destroyed, because);
    }

    private static void JudgeMode(JsonElement gpu, Machine machine, string because)
    {
        if (gpu.GetProperty("error").ValueKind == JsonValueKind.Null)
            machine.Now.Should().Be(machine.Goal, because);
        else if (!gpu.GetProperty("changed").GetBoolean() && !gpu.ToString().Contains("changed it", StringComparison.Ordinal))
            machine.Now.Should().BeOneOf([machine.Start, machine.Goal], because);
    }

    private void FailEachCall(string?[] layouts, string command, Action<JsonElement, Machine, string> judge)
    {
        using Machine machine = new(layouts, command);
        int cases = 0;
        int number = command.Length;
        foreach ((string function, int nth) in machine.Calls)
        {
            bool changes = ApplyMachine.Mutating.Contains(function);
            foreach (NvmlReturnCode code in Codes)
            {
                foreach (bool after in changes ? (bool[])[false, true] : [false])
                {
                    // In the short form every third change, and every fortieth read.
                    if (!LongTests.Wanted && number++ % (changes ? 3 : 40) != 0)
                        continue;
                    cases++;
                    NvmlFault fault = NvmlFault.Return(function, code) with { Nth = nth, AfterEffect = after };
                    Nvmig.Answer answer = machine.Run(fault);
                    string because = $"{command} with {fault} exits {answer.ExitCode}: {answer.Error}";
                    (answer.Json.GetProperty("error").ValueKind == JsonValueKind.Null).Should().Be(answer.ExitCode == 0, because);
                    JsonElement[] gpus = answer.Json.TryGetProperty("gpus", out JsonElement all) ? [.. all.EnumerateArray()] : [];
                    if (gpus.Length == 0)
                        machine.Now.Should().Be(machine.Start, because);
                    else
                        judge(gpus[0], machine, because);
                }
            }
        }

        output.WriteLine($"{cases} cases");
        cases.Should().BePositive();
    }

    /// <summary>A machine that is set back to where a command starts from.</summary>
    private sealed class Machine : IDisposable
    {
        private readonly Nvmig _nvmig = new(Gpu);
        private readonly string[] _command;
        private readonly string _copy;

        public Machine(string?[] layouts, string command)
        {
            _command = [.. command.Split(' '), "--json"];
            _copy = Path.Combine(_nvmig.Folder, "copy");
            _nvmig.Run("devices").ExitCode.Should().Be(0);
            foreach (string layout in layouts.OfType<string>())
                _nvmig.Run("apply", layout).ExitCode.Should().Be(0);
            File.Copy(_nvmig.StateFile, _copy);
            if (File.Exists(Journal))
                File.Copy(Journal, _copy + ".journal");
            (Start, IdsAtStart) = Read();
            string trace = Path.Combine(_nvmig.Folder, "trace");
            _nvmig.Environment["NVML_STUB_TRACE"] = trace;
            Nvmig.Answer clean = _nvmig.Run(_command);
            clean.ExitCode.Should().Be(0, clean.Error);
            _nvmig.Environment["NVML_STUB_TRACE"] = null;
            (Goal, _) = Read();
            Dictionary<string, int> counts = new(StringComparer.Ordinal);
            foreach (string function in File.ReadLines(trace).Select(line => line.Split(' ')[0]))
                Calls.Add((function, counts[function] = counts.GetValueOrDefault(function) + 1));
        }

        public List<(string Function, int Nth)> Calls { get; } = [];

        public string Start { get; }

        public int[] IdsAtStart { get; }

        public string Goal { get; }

        public string Now { get; private set; } = "";

        public int[] IdsNow { get; private set; } = [];

        private string Journal => Path.Combine(_nvmig.StateFile + ".apply", "apply.json");

        public Nvmig.Answer Run(NvmlFault fault)
        {
            File.Copy(_copy, _nvmig.StateFile, overwrite: true);
            if (File.Exists(_copy + ".journal"))
                File.Copy(_copy + ".journal", Journal, overwrite: true);
            else if (File.Exists(Journal))
                File.Delete(Journal);
            _nvmig.Environment["NVML_STUB_FAULTS"] = fault.ToString();
            Nvmig.Answer answer = _nvmig.Run(_command);
            (Now, IdsNow) = Read();
            return answer;
        }

        public void Dispose() => _nvmig.Dispose();

        private (string Text, int[] Ids) Read()
        {
            using NvmlSimulator simulator = NvmlSimulator.Start(Gpu, _nvmig.StateFile);
            using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
            GpuSnapshot snapshot = session.Devices[0].ReadSnapshot(SnapshotParts.Instances);
            return (ApplyMachine.Describe(snapshot), [.. snapshot.Instances.Select(i => i.Id!.Value)]);
        }
    }
}
