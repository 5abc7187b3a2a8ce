namespace Nvml.Mig.Agent.Tests.Api;

/// <summary>The rights of users. Programs run as other users for it.</summary>
public class RightsTests
{
    private const uint Nobody = 65534;

    private const string Claim = """{"id":"train","requests":[{"profile":"1g.5gb"}],"durationSeconds":3600}""";

    [RootFact]
    public async Task A_user_claims_for_himself()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        Answer claimed = await machine.CurlAsync(Nobody, "/v1/leases", "--json", Claim);
        Answer renewed = await machine.CurlAsync(Nobody, "/v1/leases/train/renew", "--json", "{}");
        Answer released = await machine.CurlAsync(Nobody, "/v1/leases/train", "-X", "DELETE");

        (claimed.Code, claimed.At("lease", "uid")).Should().Be((200, "65534"), claimed.Text);
        (renewed.Code, released.Code).Should().Be((200, 204));
    }

    [RootFact]
    public async Task A_user_cannot_end_the_lease_of_another()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.CurlAsync(1234u, "/v1/leases", "--json", Claim);

        Answer released = await machine.CurlAsync(Nobody, "/v1/leases/train", "-X", "DELETE");
        Answer renewed = await machine.CurlAsync(Nobody, "/v1/leases/train/renew", "--json", "{}");
        Answer seen = await machine.CurlAsync(Nobody, "/v1/leases/train");

        (released.Code, released.At("code")).Should().Be((403, "Forbidden"));
        released.At("detail").Should().Be("uid 65534 may not release lease train: it is of uid 1234.");
        renewed.Code.Should().Be(403);
        seen.Code.Should().Be(200, "all see all");
        (await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train")).Code.Should().Be(204, "root may");
    }

    [RootFact]
    public async Task A_user_cannot_claim_for_another()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        const string claim = """{"id":"train","uid":1234,"requests":[{"profile":"1g.5gb"}]}""";

        (await machine.CurlAsync(Nobody, "/v1/leases", "--json", claim)).Code.Should().Be(403);

        (await machine.PostAsync("/v1/leases", claim)).At("lease", "uid").Should().Be("1234", "root may");
    }

    [RootFact]
    public async Task A_user_cannot_withdraw_the_claim_of_another()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Claim);
        await machine.CurlAsync(1234u, "/v1/leases", "--json", """{"id":"all","requests":[{"profile":"7g.40gb"}],"waitSeconds":0.1}""");

        (await machine.CurlAsync(Nobody, "/v1/waiting/all", "-X", "DELETE")).Code.Should().Be(403);

        (await machine.CurlAsync(1234u, "/v1/waiting/all", "-X", "DELETE")).Code.Should().Be(204);
    }

    [RootFact]
    public async Task A_queue_with_users_is_theirs()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options =>
            options.Queues["default"] = new() { Users = ["1234"], Groups = ["4321"] });

        (await machine.CurlAsync(Nobody, "/v1/leases", "--json", Claim)).Code.Should().Be(403);
        (await machine.CurlAsync(1234u, "/v1/leases", "--json", Claim)).Code.Should().Be(200);
        (await machine.CurlAsync(4321u, "/v1/leases", "--json", Claim.Replace("train", "other"))).Code.Should().Be(200);
    }

    [RootFact]
    public async Task Rules_are_changed_by_administrators_only()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options => options.Group = "4321");
        string[] set = ["-X", "PUT", "--json", """{"quota":{"compute":3,"memory":4}}"""];

        (await machine.CurlAsync(Nobody, "/v1/queues/team", set)).Code.Should().Be(403);
        (await machine.CurlAsync(Nobody, "/v1/gpus/clear", "-X", "POST")).Code.Should().Be(403);
        (await machine.CurlAsync(Nobody, "/v1/policy", "-X", "PUT", "--json", "{}")).Code.Should().Be(403);

        Answer member = await machine.CurlAsync(4321u, "/v1/queues/team", set);
        (member.Code, member.At("queues", 0, "quota", "memory")).Should().Be((200, "4"), member.Text);
    }

    [RootFact]
    public async Task A_lease_cannot_hang_on_the_process_of_another()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        string claim = $$"""{"requests":[{"profile":"1g.5gb"}],"processId":{{Environment.ProcessId}},"mayEndProcess":true}""";

        (await machine.CurlAsync(Nobody, "/v1/leases", "--json", claim)).Code.Should().Be(403);

        (await machine.PostAsync("/v1/leases", claim)).Code.Should().Be(200);
    }

    [RootFact]
    public async Task The_claims_of_a_user_that_wait_are_limited()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(configure: options => options.Limits.MaxWaitingPerUser = 2);
        await machine.PostAsync("/v1/leases", """{"requests":[{"profile":"7g.40gb"}]}""");
        string[] Waits(string id) => ["--json", $$"""{"id":"{{id}}","requests":[{"profile":"1g.5gb"}],"waitSeconds":0.05}"""];
        await machine.CurlAsync(Nobody, "/v1/leases", Waits("a"));
        await machine.CurlAsync(Nobody, "/v1/leases", Waits("b"));

        (await machine.CurlAsync(Nobody, "/v1/leases", Waits("c"))).Code.Should().Be(429);

        (await machine.CurlAsync(Nobody, "/v1/leases", Waits("b"))).Code.Should().Be(202, "it waits already");
        (await machine.CurlAsync(1234u, "/v1/leases", Waits("c"))).Code.Should().Be(202);
    }
}
