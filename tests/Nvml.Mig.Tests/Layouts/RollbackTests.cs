using Nvml.Mig.Layouts;
using Nvml.Mig.Planning;

namespace Nvml.Mig.Tests.Layouts;

/// <summary>What is recorded before a change, and the way back to it.</summary>
public class RollbackTests
{
    private const string A100 = "A100-SXM4-40GB";

    [Theory]
    [InlineData(null, "1g.5gb*7")]
    [InlineData("9:0/1c/1c/1c,9:4", "7g.40gb")]
    [InlineData("9:0/1c:2/1c:0,9:4/none", "19*7")]
    [InlineData("5/1c/2c,14:4,19", "5/2c/1c/1c,9")]
    [InlineData("7g.40gb", null)]
    public void A_success_can_be_taken_back_with_the_same_uuids(string? start, string? target)
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", start, [], target));
        string[] before = machine.Describe();
        machine.Apply(target).Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Applied);

        ApplyResult result = machine.Rollback();

        result.Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Applied);
        machine.Describe().Should().Equal(before);
        machine.Rollback().Gpus.Should().OnlyContain(g => g.Outcome == ApplyOutcome.Unchanged);
    }

    [Fact]
    public void Without_a_record_there_is_nothing_to_take_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        machine.Rollback().Gpus.Should().BeEmpty();
    }

    [Fact]
    public void What_a_process_uses_by_now_is_not_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9", [], ""));
        machine.Apply("19*7").IsSuccess.Should().BeTrue();
        machine.Use(machine.Gpu.GetMigDevices()[2]);
        string[] now = machine.Describe();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should().Match("GPU instance 9 (1g.5gb at 2:1) of GPU 0 (GPU-*) is in use by process 4711 (train) and in the way. Nothing was changed.");
        machine.Describe().Should().Equal(now);
    }

    [Fact]
    public void What_others_have_made_since_is_left_alone_and_said_to_be_in_the_way()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:4", [], ""));
        machine.Apply("19:0").IsSuccess.Should().BeTrue();
        machine.Gpu.CreateGpuInstance(machine.Gpu.GetGpuInstanceProfile("2g.10gb"), new Placement(4, 2));
        string[] now = machine.Describe();

        GpuApplyResult gpu = machine.Rollback().Gpus[0];

        gpu.Outcome.Should().Be(ApplyOutcome.Refused);
        gpu.Message.Should().Contain("(3g.20gb at 4:4) has no place: GPU instance 5 (2g.10gb at 4:2) is there, which this apply did not make.");
        machine.Describe().Should().Equal(now);
    }

    [Fact]
    public void A_way_back_that_fails_can_be_taken_again()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100, "9:0,9:4", [], ""));
        string[] before = machine.Describe();
        machine.Apply("19*7").IsSuccess.Should().BeTrue();
        machine.Simulator.SetFaults(NvmlFault.Return("nvmlDeviceCreateGpuInstanceWithPlacement", NvmlReturnCode.Unknown) with { Nth = 2 });

        GpuApplyResult gpu = machine.Rollback().Gpus[0];
        gpu.Outcome.Should().Be(ApplyOutcome.NotRestored);
        gpu.Differences.Should().Equal("GPU instance 2 (3g.20gb at 4:4) is missing.");

        machine.Rollback().IsSuccess.Should().BeTrue();
        machine.Describe().Should().Equal(before);
    }

    [Fact]
    public void Only_the_gpus_that_are_named_are_taken_back()
    {
        using ApplyMachine machine = ApplyMachine.Start(new Scenario(A100 + "*2", "9", [], ""));
        string[] before = machine.Describe();
        machine.Apply("19").IsSuccess.Should().BeTrue();

        machine.Rollback(machine.Session.Devices[1]).Gpus.Should().ContainSingle();

        machine.Describe()[1].Should().Be(before[1]);
        machine.Describe()[0].Should().NotBe(before[0]);
    }

    [Fact]
    public void The_record_is_there_before_the_first_change_and_for_its_owner_alone()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        string file = Path.Combine(machine.RecordFolder, "apply.json");
        List<bool> wasThere = [];

        machine.Apply("9", null, _ => wasThere.Add(File.Exists(file)));

        wasThere.Should().OnlyContain(there => there);
        File.GetUnixFileMode(file).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.ReadAllText(file).Should().Contain("\"version\": 1").And.Contain("\"wish\": \"9\"").And.Contain("\"isFinished\": true");
    }

    [Fact]
    public void Two_appliers_exclude_each_other()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        List<Exception?> second = [];

        machine.Apply("9", null, _ => second.Add(Record.Exception(() => machine.Apply("19"))));

        second.Should().NotBeEmpty().And.AllBeOfType<ApplyRecordException>();
        second.Cast<ApplyRecordException>().Should().OnlyContain(e => e.IsLocked);
        machine.Apply("19").IsSuccess.Should().BeTrue("the first is done");
    }

    [Theory]
    [InlineData("{ \"version\": 2, \"started\": \"2030-01-01T00:00:00Z\", \"gpus\": [] }", "*is a record of version 2; this program reads version 1. Nothing was changed.*")]
    [InlineData("not json", "*apply.json cannot be read: *Nothing was changed.*")]
    public void A_record_that_cannot_be_read_is_not_touched(string text, string message)
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);
        File.WriteAllText(Path.Combine(machine.RecordFolder, "apply.json"), text);

        machine.Invoking(m => m.Apply("9")).Should().Throw<ApplyRecordException>().WithMessage(message);

        machine.MutatingCalls().Should().Be(0);
        File.ReadAllText(Path.Combine(machine.RecordFolder, "apply.json")).Should().Be(text);
    }

    [Fact]
    public void What_cannot_be_recorded_is_not_done()
    {
        using ApplyMachine machine = ApplyMachine.Start(A100);

        machine.Invoking(m => m.Apply("9", m.Options with { RecordFolder = "/proc/nowhere" })).Should().Throw<ApplyRecordException>()
            .WithMessage("The layout cannot be recorded in /proc/nowhere, and nothing is changed without that: *");

        machine.MutatingCalls().Should().Be(0);
    }

    [Fact]
    public void A_layout_as_a_wish_makes_the_same_layout_on_an_empty_gpu()
    {
        foreach (string model in (string[])[A100, "A30", "H100-SXM5-80GB", "RTX-PRO-6000-Server"])
        {
            using ApplyMachine machine = ApplyMachine.Start(new Scenario(model, "", [], ""));
            GpuGeometry geometry = GpuReader.ReadGeometry(machine.Gpu);
            Random random = new(5);
            for (int i = 0; i < 12; i++)
            {
                // Some instances anywhere, as far as there is room for them.
                string wish = string.Join(',', geometry.Profiles.OrderBy(_ => random.Next()).Take(3).Select(p => $"+{p.Profile.Id}{(p.Profile.SliceCount > 1 && random.Next(3) == 0 ? "/1c" : "")}"));
                if (!machine.Apply(wish).IsSuccess)
                    continue;
                string[] there = machine.Describe();
                string exported = Wish.For(GpuReader.ReadState(machine.Gpu)).ToString();

                machine.Apply("").IsSuccess.Should().BeTrue();
                machine.Reopen();
                machine.Apply(exported).IsSuccess.Should().BeTrue(exported);

                machine.Describe().Should().Equal(there, exported);
                if (random.Next(2) == 0)
                    machine.Apply("").IsSuccess.Should().BeTrue();
            }
        }
    }
}
