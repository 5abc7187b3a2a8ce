using Nvml.Mig.Applying;

namespace Nvml.Mig.Tests.Applying;

/// <summary>An answer of one call is not taken for another's, and a result is never lost.</summary>
public class TruthTests
{
    private const string A100 = "A100-SXM4-40GB";
    private const string GetInfo = "nvmlGpuInstanceGetInfo";
    private const string GetComputeInfo = "nvmlComputeInstanceGetInfo_v2";

    /// <summary>
    /// The driver created it, and only reading it back failed, with whatever code: it is ours, and used or taken back.
    /// </summary>
    [Theory]
    [InlineData(GetInfo, NvmlReturnCode.InsufficientResources)]
    [InlineData(GetInfo, NvmlReturnCode.InUse)]
    [InlineData(GetInfo, NvmlReturnCode.NotFound)]
    [InlineData(GetInfo, NvmlReturnCode.InvalidArgument)]
    [InlineData(GetComputeInfo, NvmlReturnCode.InsufficientResources)]
    [InlineData(GetComputeInfo, NvmlReturnCode.InUse)]
    [InlineData(GetComputeInfo, NvmlReturnCode.NotFound)]
    [InlineData(GetComputeInfo, NvmlReturnCode.InvalidArgument)]
    public void An_instance_of_ours_that_cannot_be_read_is_nobody_elses(string function, NvmlReturnCode code)
    {
        long calls = 0;
        for (int nth = 1; nth == 1 || nth <= calls; nth++)
        {
            using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "", [], ""));
            string[] start = machine.Describe();
            machine.Simulator.SetFaults(NvmlFault.Return(function, code) with { Nth = nth });
            calls = machine.Simulator.GetCallCount(function);

            ApplyResult result = machine.Apply("2g.10gb,3g.20gb/1c/1c");
            calls = machine.Simulator.GetCallCount(function) - calls;

            machine.Simulator.SetFaults();
            machine.Reopen();
            string because = $"call {nth} of {function} fails with {code}: {result.Gpus[0].Message}";
            machine.ShouldBeTrue(result, "2g.10gb,3g.20gb/1c/1c", start, because);
            result.Gpus[0].Outcome.Should().NotBe(ApplyOutcome.NotRestored, because);
            machine.Rollback().IsSuccess.Should().BeTrue(because);
            machine.Describe().Should().Equal(start, because);
        }
    }

    [Theory]
    [InlineData("nvmlDeviceGetGpuInstances")]
    [InlineData(GetInfo)]
    [InlineData("nvmlGpuInstanceGetComputeInstances")]
    [InlineData(GetComputeInfo)]
    public void No_instance_is_overlooked_because_one_read_fails(string function)
    {
        foreach (NvmlReturnCode code in (NvmlReturnCode[])[NvmlReturnCode.NotFound, NvmlReturnCode.InvalidArgument])
        {
            for (int nth = 1; nth <= 4; nth++)
            {
                using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9,9", [], ""));
                string[] start = machine.Describe();
                machine.Reopen();
                machine.Simulator.SetFaults(NvmlFault.Return(function, code) with { Nth = nth });

                ApplyResult result = machine.Apply("none");

                machine.Simulator.SetFaults();
                machine.Reopen();
                machine.ShouldBeTrue(result, "none", start, $"call {nth} of {function} fails with {code}: {result.Gpus[0].Message}");
            }
        }
    }

    [Fact]
    public void A_listener_or_a_report_that_throws_costs_no_result()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "*2");

        ApplyResult result = machine.Apply(
            "19",
            machine.Options with { Report = _ => throw new InvalidOperationException("nobody listens") },
            _ => throw new InvalidOperationException("nor here"));

        result.Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Applied);
        result.Error.Should().BeOfType<InvalidOperationException>().Which.Message.Should().Be("nobody listens");
    }

    [Fact]
    public void A_session_that_is_closed_under_way_costs_no_result()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100 + "*2");

        ApplyResult result = machine.Apply("19", null, p => machine.Session.Dispose());

        result.Gpus.Select(g => g.Outcome).Should().OnlyContain(o => o == ApplyOutcome.NotRestored || o == ApplyOutcome.RolledBack);
        result.Gpus.Should().OnlyContain(g => g.Error is ObjectDisposedException);
    }

    /// <summary>A change that died while it was reported has been made: repeated, it completes. After a report, it is made again.</summary>
    [Fact]
    public void A_change_that_died_while_reporting_is_not_made_twice()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        byte[]? atDeath = null;
        ApplyOptions options = machine.Options with
        {
            Report = result =>
            {
                result.Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied);
                atDeath = File.ReadAllBytes(file);
                return Task.CompletedTask;
            },
        };
        machine.Apply("+19", options).Error.Should().BeNull();
        byte[] closed = File.ReadAllBytes(file);

        File.WriteAllBytes(file, atDeath!);
        machine.Apply("+19").Gpus[0].Outcome.Should().Be(ApplyOutcome.Unchanged, "it was made, and nobody heard of it");
        machine.Truth()[0].Instances.Should().HaveCount(2);

        File.WriteAllBytes(file, closed);
        machine.Apply("+19").Gpus[0].Outcome.Should().Be(ApplyOutcome.Applied, "the first was reported");
        machine.Truth()[0].Instances.Should().HaveCount(3);
    }

    [Theory]
    [InlineData("+14")]
    [InlineData("-19")]
    [InlineData("+14,-19")]
    public void Nor_is_any_other_change(string spec)
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4,19:0,19:1", [], ""));
        string file = Path.Combine(machine.JournalFolder, "apply.json");
        byte[]? atDeath = null;
        machine.Apply(spec, machine.Options with
        {
            Report = _ =>
            {
                atDeath = File.ReadAllBytes(file);
                return Task.CompletedTask;
            },
        });
        string[] after = machine.Describe();
        File.WriteAllBytes(file, atDeath!);

        machine.Apply(spec).IsSuccess.Should().BeTrue();

        machine.Describe().Should().Equal(after);
        machine.Rollback().IsSuccess.Should().BeTrue();
        machine.Truth()[0].Instances.Should().HaveCount(3);
    }
}
