using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

public class CommandTests
{
    [Fact]
    public void Create_divides_a_gpu_and_list_shows_the_result()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");

        Nvmig.Answer created = nvmig.Run("create", "9,19,19,19", "--enable-mig");

        created.ExitCode.Should().Be(0, created.Error);
        created.Out.Should().Match(
            """
            *│   0 │  2 │ 3g.20gb │ 4:4   │  0 │ 3g.20gb │ MIG-????????-????-5???-????-???????????? │
            │   0 │  7 │ 1g.5gb  │ 0:1   │  0 │ 1g.5gb  │ MIG-????????-????-5???-????-???????????? │
            │   0 │  8 │ 1g.5gb  │ 1:1   │  0 │ 1g.5gb  │ MIG-????????-????-5???-????-???????????? │
            │   0 │  9 │ 1g.5gb  │ 2:1   │  0 │ 1g.5gb  │ MIG-????????-????-5???-????-???????????? │
            *
            GPU 0  NVIDIA A100-SXM4-40GB  00000000:07:00.0  MIG Enabled
                0        1        2        3        4        5        6        7      memory slice
            ┌────────┬────────┬────────┬────────┬───────────────────────────────────┐
            │ 1g.5gb │ 1g.5gb │ 1g.5gb │        │              3g.20gb              │
            │  GI 7  │  GI 8  │  GI 9  │  free  │               GI 2                │
            └────────┴────────┴────────┴────────┴───────────────────────────────────┘
            """.ReplaceLineEndings("\n") + "\n");
        nvmig.Run("list").Out.Should().Be(created.Out);

        JsonElement gpu = nvmig.Run("list", "--json").Json.GetProperty("gpus")[0];
        gpu.GetProperty("gpuInstances").EnumerateArray().Select(i => (
                i.GetProperty("id").GetInt32(),
                i.GetProperty("profile").GetString(),
                i.GetProperty("placement").GetProperty("start").GetInt32(),
                i.GetProperty("computeInstances")[0].GetProperty("id").GetInt32(),
                created.Out.Contains(i.GetProperty("computeInstances")[0].GetProperty("migUuid").GetString()!, StringComparison.Ordinal)))
            .Should().Equal((2, "3g.20gb", 4, 0, true), (7, "1g.5gb", 0, 0, true), (8, "1g.5gb", 1, 0, true), (9, "1g.5gb", 2, 0, true));
    }

    [Fact]
    public void Create_in_the_wrong_order_fails_and_reports_what_was_done()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");

        Nvmig.Answer answer = nvmig.Run("create", "19,19,14,9", "--enable-mig");

        answer.ExitCode.Should().Be(23);
        answer.Complaints.Should().HaveCount(2);
        answer.Complaints[0]
            .Should()
            .Match("nvmig: Cannot create a GPU instance 3g.20gb (profile 9) on GPU 0 (GPU-*): Insufficient Resources "
                + "(NVML_ERROR_INSUFFICIENT_RESOURCES, 23, from nvmlDeviceCreateGpuInstance). Every place for it is taken: *");
        answer.Complaints[1]
            .Should()
            .Be("nvmig: GPU 0: MIG mode was enabled; created and left in place: GPU instance 13 (1g.5gb at 6:1), GPU instance 11 (1g.5gb "
                + "at 4:1), GPU instance 3 (2g.10gb at 0:2); failed: creating GPU instance 3g.20gb; room now for, each alone: 3 of 7 "
                + "1g.5gb, 1 of 1 1g.5gb+me, 1 of 4 1g.10gb, 1 of 3 2g.10gb, 0 of 2 3g.20gb, 0 of 1 4g.20gb, 0 of 1 7g.40gb.");
        Ids(nvmig.Run("list", "--json")).Should().Equal(3, 11, 13);
    }

    [Fact]
    public void Create_with_json_prints_what_was_done_and_what_failed()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("enable").ExitCode.Should().Be(0);

        JsonElement answer = nvmig.Run("create", "7g.40gb,1g.5gb*2", "--json").Json;

        answer.GetProperty("error").GetProperty("code").GetInt32().Should().Be(23);
        JsonElement first = answer.GetProperty("gpus")[0];
        first.GetProperty("created")[0].GetProperty("profile").GetString().Should().Be("7g.40gb");
        first.GetProperty("failed").GetString().Should().Be("creating GPU instance 1g.5gb");
        first.GetProperty("notTried").EnumerateArray().Select(e => e.GetString()).Should().Equal("1g.5gb");
        JsonElement second = answer.GetProperty("gpus")[1];
        second.GetProperty("created").GetArrayLength().Should().Be(0);
        second.GetProperty("failed").ValueKind.Should().Be(JsonValueKind.Null);
        second.GetProperty("notTried").GetArrayLength().Should().Be(3);
    }

    [Fact]
    public void Create_takes_names_ids_counts_and_places()
    {
        using Nvmig nvmig = new();

        nvmig.Run("create", "3g.20gb,19:2", "1G.5GB*2", "--enable-mig", "--no-compute-instances").ExitCode.Should().Be(0);

        JsonElement gpu = nvmig.Run("list", "--json").Json.GetProperty("gpus")[0];
        gpu.GetProperty("gpuInstances").EnumerateArray()
            .Select(i => (i.GetProperty("id").GetInt32(), i.GetProperty("computeInstances").GetArrayLength()))
            .Should().Equal((2, 0), (7, 0), (9, 0), (10, 0));
    }

    [Fact]
    public void Without_a_selection_every_gpu_is_divided()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*4");
        string uuid = nvmig.Run("devices", "--json").Json.GetProperty("gpus")[3].GetProperty("uuid").GetString()!;

        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Run("create", "7g.40gb", "-i", "0,0000:08:00.0", "--gpu", uuid).ExitCode.Should().Be(0);

        nvmig.Run("list", "--json").Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("gpuInstances").GetArrayLength())
            .Should().Equal(1, 1, 0, 1);
    }

    [Fact]
    public void A_request_that_does_not_fit_one_gpu_changes_none()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB,H200");
        nvmig.Run("enable").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("create", "1g.5gb");

        answer.ExitCode.Should().Be(2);
        answer.Complaints.Should().ContainSingle().Which.Should().Contain("GPU 1").And.Contain("1g.18gb (19)");
        nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public void Destroy_takes_gpu_instances_and_compute_instances()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9,19,19", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer refused = nvmig.Run("destroy", "2");
        refused.ExitCode.Should().Be(19);
        refused.Complaints.Should().ContainSingle().Which.Should().EndWith("It still has compute instance 0: destroy that first.");
        refused.Out.Should().Be("GPU 0: destroyed nothing. Not destroyed: GPU instance 2.\n");
        nvmig.Run("destroy", "2/0").ExitCode.Should().Be(0);
        nvmig.Run("destroy", "2").ExitCode.Should().Be(0);
        Ids(nvmig.Run("list", "--json")).Should().Equal(7, 8);
        nvmig.Run("destroy", "7", "--recursive").Out.Should()
            .StartWith("GPU 0: destroyed compute instance 0 of GPU instance 7, GPU instance 7.\n");
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
        Ids(nvmig.Run("list", "--json")).Should().BeEmpty();
    }

    [Fact]
    public void Destroy_with_a_wrong_name_destroys_nothing()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9,19", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer noGpuInstance = nvmig.Run("destroy", "2", "5", "-r");
        Nvmig.Answer noComputeInstance = nvmig.Run("destroy", "2/1", "7/0");

        noGpuInstance.ExitCode.Should().Be(6);
        noGpuInstance.Complaints.Should().ContainSingle().Which.Should().Contain("Cannot find GPU instance 5 on GPU 0");
        noComputeInstance.ExitCode.Should().Be(6);
        noComputeInstance.Complaints.Should().ContainSingle().Which.Should().Contain("There is no compute instance 1 in GPU instance 2");
        nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray()
            .Sum(i => i.GetProperty("computeInstances").GetArrayLength()).Should().Be(2);
    }

    [Fact]
    public void Disable_with_instances_is_refused()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9", "--enable-mig").ExitCode.Should().Be(0);

        Nvmig.Answer refused = nvmig.Run("disable", "--json");

        refused.ExitCode.Should().Be(19);
        refused.Json.GetProperty("gpus")[0].GetProperty("outcome").GetString().Should().Be("InUse");
        refused.Json.GetProperty("error").GetProperty("code").GetInt32().Should().Be(19);
        refused.Complaints.Should().ContainSingle().Which.Should()
            .EndWith("Nothing was changed. Destroy its instances (nvmig destroy) and stop the processes that use the GPU.");
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
        nvmig.Run("disable").Out.Should().Match("MIG disabled on GPU 0 (GPU-*) (00000000:07:00.0).\n");
    }

    [Fact]
    public void Enable_leaves_enabled_gpus_alone()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("enable", "-i", "1").ExitCode.Should().Be(0);

        Nvmig.Answer answer = nvmig.Run("enable", "--json");

        answer.Json.GetProperty("gpus").EnumerateArray()
            .Select(g => (g.GetProperty("outcome").GetString(), g.GetProperty("changed").GetBoolean()))
            .Should().Equal(("Activated", true), ("Activated", false));
        nvmig.Run("enable", "-i", "1").Out.Should().Match("MIG was enabled already on GPU 1 (GPU-*) (00000000:08:00.0).\n");
    }

    [Fact]
    public void Profiles_and_placements_are_those_of_the_gpu()
    {
        using Nvmig nvmig = new("H200");

        JsonElement profile = nvmig.Run("profiles", "--json").Json.GetProperty("gpus")[0].GetProperty("profiles")[4];
        JsonElement places = nvmig.Run("placements", "--json").Json.GetProperty("gpus")[0].GetProperty("profiles")[4]
            .GetProperty("placements");

        profile.GetProperty("name").GetString().Should().Be("3g.71gb");
        profile.GetProperty("memoryMiB").GetInt32().Should().Be(71424);
        places.EnumerateArray().Select(p => p.GetProperty("start").GetInt32()).Should().Equal(0, 4);
        nvmig.Run("profiles").Out.Should()
            .Contain("│   0 │ 3g.71gb    │  9 │    2 │     2 │      3 │  69.75 │  60 │  3 │   3 │   0 │    3 │   0 │ no  │");
        nvmig.Run("placements").Out.Should().Contain("│   0 │ 3g.71gb    │  9 │ 0:4  4:4 ");
    }

    [Fact]
    public void One_lost_gpu_does_not_hide_the_others()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*3");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceGetMigMode#2=lose"; // one for GPU 0, then GPU 1
        nvmig.Run("list").ExitCode.Should().Be(15);
        nvmig.Environment["NVML_STUB_FAULTS"] = null;

        foreach (string command in (string[])["devices", "list", "profiles", "placements"])
        {
            Nvmig.Answer answer = nvmig.Run(command, "--json");
            answer.ExitCode.Should().Be(15);
            answer.Complaints.Should().ContainSingle().Which.Should().Contain("GPU 1").And.Contain("NVML_ERROR_GPU_IS_LOST");
            answer.Json.GetProperty("gpus").EnumerateArray().Select(g => g.GetProperty("error").ValueKind)
                .Should().Equal(JsonValueKind.Null, JsonValueKind.Object, JsonValueKind.Null);
        }

        nvmig.Run("create", "1g.5gb", "-i", "0,2").ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_failed_compute_instance_leaves_its_gpu_instance()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlGpuInstanceCreateComputeInstance#2=NVML_ERROR_UNKNOWN";

        Nvmig.Answer answer = nvmig.Run("create", "9,19,19", "--enable-mig");

        answer.ExitCode.Should().Be(255);
        answer.Complaints[1]
            .Should()
            .StartWith("nvmig: GPU 0: MIG mode was enabled; created and left in place: GPU instance 2 (3g.20gb at 4:4), GPU instance 7 "
                + "(1g.5gb at 0:1); failed: creating a compute instance in GPU instance 7; not tried: 1g.5gb; room now for");
        answer.Out.Should().Contain("│   0 │  7 │ 1g.5gb  │ 0:1   │  - │ -       │ none: not usable yet");
    }

    [Fact]
    public void Finished_changes_are_reported_although_the_gpu_is_lost()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("enable").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceCreateGpuInstance#3=lose";

        Nvmig.Answer answer = nvmig.Run("create", "9,19", "--json", "-i", "1,0");

        answer.ExitCode.Should().Be(15);
        answer.Complaints.Should()
            .Contain(line => line.StartsWith("nvmig: GPU 1: created and left in place: GPU instance 2", StringComparison.Ordinal));
        answer.Complaints.Should().Contain(
            "nvmig: GPU 0: nothing was created, as far as is known; uncertain: GPU instance 3g.20gb, since the instances cannot be listed; "
            + "failed: creating GPU instance 3g.20gb; not tried: 1g.5gb.");
        answer.Json.GetProperty("gpus")[0].GetProperty("created").GetArrayLength().Should().Be(2);
        answer.Json.GetProperty("gpus")[1].GetProperty("room").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public void Destroying_stops_at_an_instance_in_use()
    {
        using Nvmig nvmig = new();
        nvmig.Run("create", "9,19,19", "--enable-mig").ExitCode.Should().Be(0);
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlComputeInstanceDestroy#2=NVML_ERROR_IN_USE";

        Nvmig.Answer answer = nvmig.Run("destroy", "--all");

        answer.ExitCode.Should().Be(19);
        answer.Out.Should()
            .StartWith("GPU 0: destroyed compute instance 0 of GPU instance 2, GPU instance 2. Not destroyed: compute instance 0 of GPU "
                + "instance 7, GPU instance 7, compute instance 0 of GPU instance 8, GPU instance 8.");
    }

    [Fact]
    public void A_killed_process_leaves_a_working_machine()
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceCreateGpuInstance#2:after=kill";
        nvmig.Run("create", "9,19,19", "--enable-mig").ExitCode.Should().Be(137);
        nvmig.Environment["NVML_STUB_FAULTS"] = null;

        Ids(nvmig.Run("list", "--json")).Should().Equal(2, 7);
        nvmig.Run("destroy", "--all").ExitCode.Should().Be(0);
    }

    [Fact]
    public void A_pending_mode_is_a_warning_and_nothing_is_created()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB+vm");

        Nvmig.Answer enable = nvmig.Run("enable");
        Nvmig.Answer create = nvmig.Run("create", "9", "--enable-mig");

        enable.ExitCode.Should().Be(0);
        enable.Complaints.Should()
            .ContainSingle().Which.Should()
            .Match("nvmig: MIG will be enabled on GPU 0 (GPU-*) (00000000:07:00.0) after a GPU reset or reboot, not before "
                + "(NotSupported). Reboot this virtual machine: that resets a GPU that is passed through to it.");
        create.ExitCode.Should().Be(3);
        create.Complaints[1].Should().StartWith("nvmig: GPU 0: nothing was created; failed: enabling MIG mode; not tried: 3g.20gb");
    }

    [Fact]
    public void A_trace_has_a_line_for_each_native_call()
    {
        using Nvmig nvmig = new();
        string trace = Path.Combine(nvmig.Folder, "trace");
        nvmig.Environment["NVML_STUB_TRACE"] = trace;

        nvmig.Run("enable").ExitCode.Should().Be(0);

        File.ReadAllLines(trace).Should().ContainSingle(line => line.StartsWith("nvmlDeviceSetMigMode", StringComparison.Ordinal))
            .Which.Should().MatchRegex(@"^nvmlDeviceSetMigMode gpu=0 result=0 us=\d+\.\d$");
    }

    [Fact]
    public void Several_processes_on_one_machine_lose_nothing()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("enable").ExitCode.Should().Be(0);

        Nvmig.Answer[] answers = [
            .. Enumerable.Range(0, 8).AsParallel().WithDegreeOfParallelism(4).Select(_ => nvmig.Run("create", "1g.5gb", "--json"))];

        answers.Select(a => a.ExitCode).Order().Should().Equal(0, 0, 0, 0, 0, 0, 0, 23);
        answers.Where(a => a.ExitCode == 0)
            .Select(a => a.Json.GetProperty("gpus")[0].GetProperty("created")[0].GetProperty("id").GetInt32())
            .Should().BeEquivalentTo([7, 8, 9, 10, 11, 12, 13]);
        Ids(nvmig.Run("list", "--json")).Should().Equal(7, 8, 9, 10, 11, 12, 13);
    }

    [Fact]
    public void Simulated_machines_belong_to_the_user_and_can_be_reset()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Environment["NVML_STUB_STATE"] = null;
        nvmig.Environment["XDG_STATE_HOME"] = nvmig.Folder;
        nvmig.RunBare("simulate", "reset").Out.Should().Be("There is no simulated machine to reset.\n");
        nvmig.Run("create", "9", "--enable-mig").ExitCode.Should().Be(0);
        Ids(nvmig.Run("list", "--json")).Should().Equal(2);

        nvmig.RunBare("simulate", "reset").Out.Should().Be($"Reset {nvmig.Folder}/nvmig/simulated/a100-sxm4-40gb.state.\n");

        Ids(nvmig.Run("list", "--json")).Should().BeEmpty();
        File.GetUnixFileMode(Path.Combine(nvmig.Folder, "nvmig/simulated"))
            .Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    [Fact]
    public void Simulate_models_lists_the_models()
    {
        using Nvmig nvmig = new();

        JsonElement models = nvmig.RunBare("simulate", "models", "--json").Json.GetProperty("models");

        models.EnumerateArray().Where(m => m.GetProperty("isSimulated").GetBoolean()).Select(m => m.GetProperty("key").GetString())
            .Should().Contain(["A30", "A100-SXM4-40GB", "H100-SXM5-80GB", "H200-SXM", "GH200-96GB", "RTX-PRO-6000-Server", "T4"]);
        nvmig.RunBare("simulate", "models").Out.Should().Contain("  B200: SM and memory of 3g, 4g and 7g are not known");
    }

    private static IEnumerable<int> Ids(Nvmig.Answer list) =>
        list.Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray().Select(i => i.GetProperty("id").GetInt32());
}
