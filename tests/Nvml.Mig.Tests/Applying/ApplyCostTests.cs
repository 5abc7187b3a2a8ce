using System.Diagnostics;
using Nvml.Mig.Applying;
using Xunit.Abstractions;

namespace Nvml.Mig.Tests.Applying;

/// <summary>The cost of an apply: native calls, and time on several GPUs.</summary>
public class ApplyCostTests(ITestOutputHelper output)
{
    private const string Eight = "A100-SXM4-40GB*8";
    private const string Smallest = "1g.5gb*7";
    private const int Changes = 8 * 7 * 2; // a GPU instance and a compute instance for each of seven on each of eight

    [Fact]
    public void The_smallest_instances_everywhere_take_no_call_too_many()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(Eight, "", [], ""));
        machine.Reopen();

        (long changes, long reads) = Apply(machine);
        changes.Should().Be(Changes);
        reads.Should().BeLessThanOrEqualTo(905, "cold");

        // The same session on empty GPUs again: it knows the GPUs.
        machine.Apply("").IsSuccess.Should().BeTrue();
        (changes, reads) = Apply(machine);
        changes.Should().Be(Changes);
        reads.Should().BeLessThanOrEqualTo(690, "warm");

        (changes, _) = Apply(machine);
        changes.Should().Be(0, "it is so already");
    }

    [Fact]
    public void A_session_that_has_only_listed_the_gpus_knows_them_too()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(Eight, "", [], ""));

        (long changes, long reads) = Apply(machine);

        changes.Should().Be(Changes);
        reads.Should().BeLessThanOrEqualTo(690);
    }

    [Fact]
    public void Gpus_are_changed_one_after_the_other()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario("H200*8", "", [], ""));
        List<int> order = [];

        machine.Apply("3g.71gb,1g.18gb*3", null, p => order.Add(p.Gpu.Index)).IsSuccess.Should().BeTrue();

        order.Should().BeInAscendingOrder();
    }

    [Fact]
    public void Eight_gpus_take_the_sum_of_their_changes()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario("H200*8", "", [], ""));
        machine.Apply("1g.18gb").IsSuccess.Should().BeTrue(); // the code is compiled, the GPUs are known
        machine.Apply("none").IsSuccess.Should().BeTrue();
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);

        TimeSpan together = Time(() => machine.Apply("3g.71gb").IsSuccess.Should().BeTrue());
        machine.Simulator.SetLatency(SimulatedLatency.None);
        machine.Apply("none").IsSuccess.Should().BeTrue();
        machine.Simulator.SetLatency(SimulatedLatency.Hardware);
        TimeSpan oneByOne = Time(() =>
        {
            foreach (GpuTarget target in machine.Targets("3g.71gb"))
                machine.ApplyTo([target]).IsSuccess.Should().BeTrue();
        });

        output.WriteLine($"one by one {oneByOne}, together {together}: {oneByOne / together:0.0} times");
        together.Should().BeGreaterThanOrEqualTo(TimeSpan.FromMilliseconds(8 * (250 + 50)), "the driver makes one change at a time");
        (together / oneByOne).Should().BeLessThan(1.05, "{0} against {1}", oneByOne, together);

        static TimeSpan Time(Action act)
        {
            Stopwatch time = Stopwatch.StartNew();
            act();
            return time.Elapsed;
        }
    }

    private (long Changes, long Reads) Apply(ApplyMachine machine)
    {
        long changes = machine.MutatingCalls();
        long calls = machine.Simulator.GetCallCount();
        ApplyResult result = machine.Apply(Smallest);
        result.IsSuccess.Should().BeTrue();
        result.Gpus.SelectMany(g => g.Steps).Should().NotContain(s => s.Attempts != 1 || s.Error != null, "no call fails");
        changes = machine.MutatingCalls() - changes;
        output.WriteLine($"{changes} changes, {machine.Simulator.GetCallCount() - calls - changes} reads");
        return (changes, machine.Simulator.GetCallCount() - calls - changes);
    }
}
