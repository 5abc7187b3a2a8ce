namespace Nvml.Mig.Tests.Cli;

/// <summary>nvmig run, lease, queue and reservation, as users call them. docs/run.md has more of it.</summary>
public sealed class LeaseCommandTests : IDisposable
{
    private readonly Nvmig _nvmig = new("A100-SXM4-40GB*2");

    public LeaseCommandTests() => _nvmig.Run("enable").ExitCode.Should().Be(0);

    public void Dispose() => _nvmig.Dispose();

    [Fact]
    public void Run_passes_the_exit_code_and_the_variables_on()
    {
        Nvmig.Answer answer = _nvmig.Run("run", "-p", "1g.5gb", "--", "sh", "-c", "echo $CUDA_VISIBLE_DEVICES $NVMIG_GENERATION; exit 7");

        answer.ExitCode.Should().Be(7);
        answer.Out.Should().MatchRegex("^MIG-[0-9a-f-]{36} 1\n$");
    }

    [Fact]
    public void Run_passes_signals_on()
    {
        Nvmig.Answer answer = _nvmig.Interrupt("TERM", "ready", "run", "-p", "1g.5gb", "--", "sh", "-c", "echo ready; exec sleep 60");

        answer.ExitCode.Should().Be(128 + 15);
        _nvmig.Run("lease", "list", "--json").Json.GetProperty("leases").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public void Run_says_what_cannot_be_had()
    {
        _nvmig.Run("run", "-p", "7g.40gb", "-n", "3", "--", "true").ExitCode.Should().Be(124);
        _nvmig.Run("run", "-p", "9g.90gb", "--wait", "--", "true").ExitCode.Should().Be(125);
        _nvmig.Run("run", "-p", "1g.5gb", "-q", "nobody", "--", "true").ExitCode.Should().Be(125);
        _nvmig.Run("run", "-p", "1g.5gb", "--", "no-such-program").ExitCode.Should().Be(127);
        _nvmig.Run("run", "-p", "1g.5gb", "--", "/etc/passwd").ExitCode.Should().Be(127);
        _nvmig.Run("run", "--", "true").ExitCode.Should().Be(64);
        _nvmig.Run("lease", "list", "--json").Json.GetProperty("leases").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public void Run_says_that_mig_is_disabled()
    {
        _nvmig.Run("disable").ExitCode.Should().Be(0);

        _nvmig.Run("run", "-p", "1g.5gb", "--", "true").Error.Should().Contain("MIG is disabled on GPU 0").And.Contain("on GPU 1");
    }

    [Fact]
    public void A_need_takes_the_smallest_profile()
    {
        Nvmig.Answer answer = _nvmig.Run("lease", "acquire", "--memory", "12GiB", "--id", "a", "--json");

        answer.Json.GetProperty("lease").GetProperty("instances")[0].GetProperty("profile").GetString().Should().Be("3g.20gb");
        _nvmig.Run("lease", "acquire", "--compute", "2", "--id", "b", "--json").Json
            .GetProperty("lease").GetProperty("instances")[0].GetProperty("profile").GetString().Should().Be("2g.10gb");
    }

    [Theory]
    [InlineData("destroy", "--all")]
    [InlineData("apply", "7g.40gb")]
    [InlineData("apply", "none")]
    [InlineData("disable")]
    public void What_is_leased_is_left_alone(params string[] change)
    {
        string uuid = _nvmig.Run("lease", "acquire", "-p", "3g.20gb", "--id", "train", "--json").Json
            .GetProperty("lease").GetProperty("instances")[0].GetProperty("migUuid").GetString()!;

        Nvmig.Answer answer = _nvmig.Run(change);

        answer.ExitCode.Should().NotBe(0);
        answer.Error.Should().Contain(change[0] == "disable" ? "instance" : "leased (train)");
        _nvmig.Run("lease", "show", "train", "--json").Json.GetProperty("lease").GetProperty("ending").ValueKind
            .Should().Be(System.Text.Json.JsonValueKind.Null);
        _nvmig.Run("list").Out.Should().Contain(uuid);
    }

    [Fact]
    public void A_rollback_leaves_what_is_leased_alone()
    {
        _nvmig.Run("apply", "3g.20gb").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "adopt", "-i", "0", "2", "--id", "mine").ExitCode.Should().Be(0);

        _nvmig.Run("rollback", "-i", "0").ExitCode.Should().NotBe(0);

        _nvmig.Run("list", "-i", "0").Out.Should().Contain("3g.20gb");
        _nvmig.Run("lease", "release", "mine").ExitCode.Should().Be(0);
        _nvmig.Run("rollback", "-i", "0").ExitCode.Should().Be(0);
    }

    [Fact]
    public void An_apply_may_use_what_a_program_left()
    {
        _nvmig.Run("run", "-p", "1g.5gb", "--", "true").ExitCode.Should().Be(0);

        _nvmig.Run("apply", "7g.40gb").ExitCode.Should().Be(0);

        _nvmig.Run("run", "-p", "1g.5gb", "--", "true").ExitCode.Should().Be(124, "the operator's instances are left alone");
    }

    [Fact]
    public void Leases_are_renewed_and_released()
    {
        _nvmig.Run("lease", "acquire", "-p", "1g.5gb", "--id", "a", "--for", "1h").ExitCode.Should().Be(0);

        _nvmig.Run("lease", "renew", "a", "--for", "2h").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "renew", "a", "--generation", "9").ExitCode.Should().Be(6);
        _nvmig.Run("lease", "release", "a").Out.Should().Be("a is released.\n");
        _nvmig.Run("lease", "release", "a").ExitCode.Should().Be(6);
        _nvmig.Run("lease", "show", "a").ExitCode.Should().Be(6);
    }

    [Fact]
    public void A_reservation_is_kept()
    {
        _nvmig.Run("reservation", "add", "course", "-p", "7g.40gb", "-n", "2", "-q", "default", "--for", "1h").ExitCode.Should().Be(0);

        _nvmig.Run("reservation", "add", "more", "-p", "1g.5gb", "-q", "default", "--for", "1h").ExitCode.Should().Be(2);
        _nvmig.Run("queue", "set", "others").ExitCode.Should().Be(0);
        _nvmig.Run("run", "-p", "1g.5gb", "-q", "others", "--", "true").ExitCode.Should().Be(124);
        _nvmig.Run("reservation", "delete", "course").ExitCode.Should().Be(0);
        _nvmig.Run("run", "-p", "1g.5gb", "-q", "others", "--", "true").ExitCode.Should().Be(0);
    }

    [Fact]
    public void Queues_show_what_they_have()
    {
        _nvmig.Run("queue", "set", "team", "--quota", "4,4", "--idle", "release", "--idle-after", "5m").ExitCode.Should().Be(0);
        _nvmig.Run("lease", "acquire", "-p", "3g.20gb", "-q", "team", "--id", "a").ExitCode.Should().Be(0);

        System.Text.Json.JsonElement team = _nvmig.Run("queue", "list", "--json").Json.GetProperty("queues").EnumerateArray()
            .Single(q => q.GetProperty("name").GetString() == "team");

        team.GetProperty("allocated").GetProperty("compute").GetInt32().Should().Be(3);
        team.GetProperty("idleAfterSeconds").GetDouble().Should().Be(300);
        _nvmig.Run("queue", "delete", "team").ExitCode.Should().Be(64, "it has a lease");
        _nvmig.Run("queue", "set", "team", "--parent", "team").ExitCode.Should().NotBe(0);
    }
}
