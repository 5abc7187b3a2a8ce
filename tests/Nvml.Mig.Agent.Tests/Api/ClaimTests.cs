using Nvml.Mig.Cli.Leases;
using Nvml.Mig.Leasing;
using Nvml.Mig.Tests;

namespace Nvml.Mig.Agent.Tests.Api;

/// <summary>Claims and leases over the socket.</summary>
public class ClaimTests
{
    private const string Small = """{"id":"train","requests":[{"profile":"1g.5gb"}],"durationSeconds":3600}""";

    [Fact]
    public async Task Curl_a_program_and_the_tool_make_the_same_claim()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        string[] acquire = ["lease", "acquire", "--id", "train", "--profile", "1g.5gb", "--for", "1h", "--json"];

        Answer curl = await machine.CurlAsync("/v1/leases", "--json", Small);
        Answer program = await machine.PostAsync("/v1/leases", Small);
        (_, string tool, _) = await machine.AskAgentAsync(acquire);
        string toolAlone = await machine.NvmigAsync(acquire);
        using LeaseManager manager = await LeaseManager.OpenAsync(
            machine.Leases.Session, new LeaseOptions { JournalFolder = machine.Leases.JournalFolder });
        GrantedLease sample = await manager.ClaimAsync(
            new Claim("train", LeaseOptions.DefaultQueue, new LeaseOwner(Caller.Uid), [InstanceRequest.Of("1g.5gb")]),
            new LeaseHold(Duration: TimeSpan.FromHours(1)));

        string uuid = curl.At("lease", "instances", 0, "migUuid")!;
        curl.Code.Should().Be(200, curl.Text);
        uuid.Should().StartWith("MIG-");
        program.At("lease", "instances", 0, "migUuid").Should().Be(uuid);
        tool.Should().Contain(uuid).And.Be(toolAlone);
        sample.Instances[0].MigUuid.Should().Be(uuid);
        machine.Leases.Describe().Should().ContainSingle();
    }

    [Fact]
    public async Task A_lease_is_shown_renewed_and_released()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        Answer claimed = await machine.PostAsync("/v1/leases", Small);

        Answer renewed = await machine.PostAsync("/v1/leases/train/renew", """{"durationSeconds":7200}""");
        Answer shown = await machine.GetAsync("/v1/leases/train");
        Answer released = await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");

        Expires(renewed).Should().BeAfter(Expires(claimed).AddMinutes(30));
        shown.At("lease", "environment", "CUDA_VISIBLE_DEVICES").Should().Be(claimed.At("lease", "instances", 0, "migUuid"));
        released.Code.Should().Be(204);
        (await machine.GetAsync("/v1/leases/train")).Code.Should().Be(404);

        static DateTimeOffset Expires(Answer answer) => answer.Json["lease"]!["expires"]!.GetValue<DateTimeOffset>();
    }

    [Fact]
    public async Task Without_a_wait_what_cannot_be_had_is_an_error()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);

        Answer answer = await machine.PostAsync("/v1/leases", """{"id":"all","requests":[{"profile":"7g.40gb"}]}""");

        answer.Code.Should().Be(409, answer.Text);
        (answer.At("code"), answer.At("reason"), answer.At("type")).Should().Be(("Timeout", "NoPlace", "urn:nvml-mig:error:Timeout"));
        answer.At("detail").Should().Contain("There is no free place for 7g.40gb");
        (await machine.GetAsync("/v1/waiting")).Text.Should().Be("""{"waiting":[]}""");
    }

    [Fact]
    public async Task A_claim_that_waits_is_granted_when_there_is_room()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);

        Task<Answer> waits = machine.PostAsync("/v1/leases", """{"id":"all","requests":[{"profile":"7g.40gb"}],"waitSeconds":30}""");
        await Eventually.HoldsAsync(async () => (await machine.GetAsync("/v1/waiting/all")).Code.Should().Be(200));
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");

        Answer granted = await waits;
        granted.Code.Should().Be(200, granted.Text);
        granted.At("lease", "instances", 0, "profile").Should().Be("7g.40gb");
    }

    [Fact]
    public async Task A_claim_waits_on_for_a_client_that_comes_back()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        const string all = """{"id":"all","requests":[{"profile":"7g.40gb"}],"durationSeconds":60,"waitSeconds":0.2}""";
        await machine.PostAsync("/v1/leases", Small);

        Answer waits = await machine.PostAsync("/v1/leases", all);
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");
        Answer granted = await machine.PostAsync("/v1/leases", all);

        (waits.Code, waits.At("waiting", "position")).Should().Be((202, "1"), waits.Text);
        (granted.Code, granted.At("lease", "id")).Should().Be((200, "all"), granted.Text);
    }

    [Fact]
    public async Task A_claim_that_waits_outlives_the_agent()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);
        await machine.PostAsync("/v1/leases", """{"id":"all","requests":[{"profile":"7g.40gb"}],"waitSeconds":0.1}""");

        await machine.StopAgentAsync();
        await machine.StartAgentAsync();
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");

        Answer granted = await machine.GetAsync("/v1/leases/all");
        granted.At("lease", "instances", 0, "profile").Should().Be("7g.40gb", granted.Text);
    }

    [Fact]
    public async Task A_claim_that_nobody_asks_for_is_dropped()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync(
            configure: options => options.Limits.Patience = TimeSpan.FromMilliseconds(100));
        await machine.PostAsync("/v1/leases", Small);

        await machine.PostAsync("/v1/leases", """{"id":"all","requests":[{"profile":"7g.40gb"}],"waitSeconds":0.1}""");

        await Eventually.HoldsAsync(async () => (await machine.GetAsync("/v1/waiting/all")).Code.Should().Be(404));
    }

    [Fact]
    public async Task A_claim_that_waits_can_be_withdrawn()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);
        Task<Answer> waits = machine.PostAsync("/v1/leases", """{"id":"all","requests":[{"profile":"7g.40gb"}],"waitSeconds":30}""");
        await Eventually.HoldsAsync(async () => (await machine.GetAsync("/v1/waiting/all")).Code.Should().Be(200));

        Answer withdrawn = await machine.SendAsync(HttpMethod.Delete, "/v1/waiting/all");

        withdrawn.Code.Should().Be(204);
        (await waits).Code.Should().Be(410);
    }

    [Fact]
    public async Task A_lease_while_the_caller_runs_ends_with_it()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        Answer claimed = await machine.CurlAsync(
            "/v1/leases", "--json", """{"id":"brief","requests":[{"profile":"1g.5gb"}],"whileCallerRuns":true}""");

        claimed.At("lease", "processId").Should().NotBeNull();
        await Eventually.HoldsAsync(async () => (await machine.GetAsync("/v1/leases/brief")).Code.Should().Be(404));
        Answer events = await machine.GetAsync("/v1/leases/brief/events");
        events.Json["events"]!.AsArray().Select(e => (string?)e!["reason"]).Should().Equal(null, "ProcessEnded");
    }

    [Fact]
    public async Task A_profile_that_no_gpu_has_is_never_granted()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();

        Answer answer = await machine.PostAsync("/v1/leases", """{"requests":[{"profile":"1g.99gb"}],"waitSeconds":10}""");

        (answer.Code, answer.At("code")).Should().Be((422, "Impossible"), answer.Text);
        (await machine.GetAsync("/v1/waiting")).Text.Should().Be("""{"waiting":[]}""");
    }

    [Fact]
    public async Task A_failure_of_the_driver_has_its_function_and_code()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);
        await machine.SendAsync(HttpMethod.Delete, "/v1/leases/train");
        machine.Leases.Simulator.SetFaults(Simulator.NvmlFault.Return("nvmlGpuInstanceDestroy", NvmlReturnCode.Unknown));

        Answer answer = await machine.SendAsync(HttpMethod.Post, "/v1/gpus/clear");

        (answer.Code, answer.At("code"), answer.At("function"), answer.At("nvmlCode"))
            .Should().Be((502, "Unknown", "nvmlGpuInstanceDestroy", "999"), answer.Text);
        machine.Leases.Simulator.SetFaults();
    }

    [Fact]
    public async Task The_overview_has_all_that_a_page_needs()
    {
        await using AgentMachine machine = await AgentMachine.StartAsync();
        await machine.PostAsync("/v1/leases", Small);

        Answer overview = await machine.GetAsync("/v1/overview");

        overview.Json.AsObject().Select(m => m.Key).Should().Equal(
            "time", "host", "version", "lastEvent", "leases", "waiting", "gpus", "queues", "reservations", "policy");
        overview.At("gpus", 0, "memorySlices").Should().Be("8");
        overview.At("leases", 0, "id").Should().Be("train");
        (await machine.Manager.ReadAsync()).Leases.Should().ContainSingle().Which.Expires.Should().NotBeNull();
    }
}
