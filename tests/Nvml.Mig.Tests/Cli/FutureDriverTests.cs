using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>
/// A driver and a GPU that do not exist yet: profile numbers, attributes, an architecture and sizes that nobody knows today. In
/// processes of their own, since the driver is chosen by the environment.
/// </summary>
public class FutureDriverTests
{
    [Fact]
    public void Unknown_profiles_are_listed_with_their_numbers_and_names()
    {
        using Nvmig nvmig = Future();

        nvmig.Run("profiles", "--json").Json.GetProperty("gpus")[0].GetProperty("profiles").EnumerateArray()
            .Select(p => (p.GetProperty("number").GetInt32(), p.GetProperty("id").GetInt32(), p.GetProperty("name").GetString()))
            .Should()
            .Equal((0, 119, "1g.128gb"), (21, 120, "1g.128gb+qpu-me"), (22, 121, "1g.256gb"), (3, 105, "4g.512gb"), (5, 100, "8g.1024gb"));
    }

    [Fact]
    public void They_can_be_created_by_name_with_attributes_in_any_order()
    {
        using Nvmig nvmig = Future();

        Nvmig.Answer answer = nvmig.Run("create", "MIG 1G.128GB-me+QPU,4g.512gb:16,1g.256gb", "--enable-mig", "--json");

        answer.ExitCode.Should().Be(0, answer.Error);
        answer.Json.GetProperty("gpus")[0].GetProperty("created").EnumerateArray()
            .Select(i => (i.GetProperty("profile").GetString(), i.GetProperty("placement").GetProperty("size").GetInt32()))
            .Should().Equal(("1g.128gb+qpu-me", 4), ("4g.512gb", 16), ("1g.256gb", 8));
    }

    [Fact]
    public void A_grid_of_32_slices_with_8_instances_is_listed_and_drawn()
    {
        using Nvmig nvmig = Future();
        nvmig.Run("create", "1g.128gb*8", "--enable-mig").ExitCode.Should().Be(0);

        nvmig.Run("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray()
            .Select(i => i.GetProperty("placement").GetProperty("start").GetInt32()).Order().Should().Equal(0, 4, 8, 12, 16, 20, 24, 28);
        nvmig.Run("list").Out.Should().Contain("31");
    }

    [Fact]
    public void The_doctor_shows_unknown_values_as_numbers()
    {
        using Nvmig nvmig = Future();

        JsonElement report = nvmig.Run("doctor", "--json").Json;

        report.GetProperty("driver").GetProperty("driverVersion").GetString().Should().Be("9999.01");
        report.GetProperty("gpus")[0].GetProperty("architecture").GetString().Should().Be("99");
        report.GetProperty("gpus")[0].GetProperty("error").ValueKind.Should().Be(JsonValueKind.Null);
    }

    [Fact]
    public void Today_the_gpu_does_not_exist()
    {
        using Nvmig nvmig = new("FUTURE");

        Nvmig.Answer answer = nvmig.Run("devices");

        answer.ExitCode.Should().Be(2);
        answer.Error.Should().Contain("FUTURE");
    }

    private static Nvmig Future()
    {
        Nvmig nvmig = new("FUTURE");
        nvmig.Environment["NVML_STUB_DRIVER"] = "future";
        return nvmig;
    }
}
