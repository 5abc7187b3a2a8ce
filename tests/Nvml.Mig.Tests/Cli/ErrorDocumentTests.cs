using System.Text.Json;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The members that a script can rely on in every document of <c>--json</c>.</summary>
public class ErrorDocumentTests
{
    /// <summary>On two A100 with a 3g.20gb and a 1g.5gb each.</summary>
    [Theory]
    [InlineData(0, "devices")]
    [InlineData(0, "doctor")]
    [InlineData(0, "enable")]
    [InlineData(19, "disable")]
    [InlineData(0, "profiles")]
    [InlineData(0, "placements")]
    [InlineData(0, "create", "1g.5gb")]
    [InlineData(23, "create", "7g.40gb")]
    [InlineData(0, "list")]
    [InlineData(0, "plan", "9,19,19")]
    [InlineData(23, "plan", "7g.40gb*2")]
    [InlineData(0, "apply", "9,19,19")]
    [InlineData(0, "apply", "9,19,19", "--dry-run")]
    [InlineData(23, "apply", "7g.40gb*2")]
    [InlineData(2, "apply", "3g.21gb")]
    [InlineData(0, "assert", "9,19")]
    [InlineData(65, "assert", "9")]
    [InlineData(65, "assert", "7g.40gb*2")]
    [InlineData(2, "assert", "3g.21gb")]
    [InlineData(0, "export")]
    [InlineData(0, "destroy", "2", "-r")]
    [InlineData(19, "destroy", "2")]
    [InlineData(0, "simulate", "models")]
    [InlineData(0, "simulate", "reset")]
    public void The_error_matches_the_exit_code_for_each_gpu(int exitCode, params string[] arguments)
    {
        using Nvmig nvmig = Divided();

        Nvmig.Answer answer = nvmig.Run([.. arguments, "--json"]);

        answer.ExitCode.Should().Be(exitCode, answer.Error);
        HasError(answer.Json, exitCode);
        JsonElement[] gpus = answer.Json.TryGetProperty("gpus", out JsonElement all) ? [.. all.EnumerateArray()] : [];
        foreach (JsonElement gpu in gpus.Where(gpu => !gpu.TryGetProperty("notTried", out _) && !gpu.TryGetProperty("notDestroyed", out _)))
            HasError(gpu, exitCode);
        if (gpus.Length > 0)
            HasError(gpus[0], exitCode);
    }

    [Theory]
    [InlineData(15, "devices")]
    [InlineData(15, "doctor")]
    [InlineData(15, "list")]
    [InlineData(15, "profiles")]
    [InlineData(15, "placements")]
    public void A_gpu_that_does_not_answer_is_the_documents_error(int exitCode, params string[] arguments)
    {
        using Nvmig nvmig = Divided();
        nvmig.Environment["NVML_STUB_FAULTS"] = "nvmlDeviceGetMigMode#2=lose"; // one for GPU 0, then GPU 1
        nvmig.Run("list").ExitCode.Should().Be(15);
        nvmig.Environment["NVML_STUB_FAULTS"] = null;

        Nvmig.Answer answer = nvmig.Run([.. arguments, "--json"]);

        answer.ExitCode.Should().Be(exitCode, answer.Error);
        HasError(answer.Json, exitCode);
        HasError(answer.Json.GetProperty("gpus")[0], 0);
        HasError(answer.Json.GetProperty("gpus")[1], exitCode);
    }

    [Theory]
    [InlineData("plan")]
    [InlineData("apply")]
    public void A_refusal_is_named_alike(string command)
    {
        using Nvmig nvmig = Divided();

        JsonElement document = nvmig.Run(command, "7g.40gb*2", "--json").Json;

        foreach (JsonElement error in (JsonElement[])[document.GetProperty("error"), document.GetProperty("gpus")[0].GetProperty("error")])
        {
            error.GetProperty("name").GetString().Should().Be("InsufficientResources");
            error.GetProperty("function").ValueKind.Should().Be(JsonValueKind.Null, "no driver was asked");
            error.GetProperty("message").GetString().Should().Contain("2 instances of 7g.40gb are wanted; a GPU has 1 at most.");
        }
    }

    private static void HasError(JsonElement where, int exitCode)
    {
        JsonElement error = where.GetProperty("error");
        error.ValueKind.Should().Be(exitCode == 0 ? JsonValueKind.Null : JsonValueKind.Object);
        if (exitCode == 0)
            return;
        error.EnumerateObject().Select(member => member.Name).Should().Equal("code", "name", "function", "message");
        error.GetProperty("code").GetInt32().Should().Be(exitCode);
        error.GetProperty("message").GetString().Should().NotBeEmpty();
    }

    private static Nvmig Divided()
    {
        Nvmig nvmig = new("A100-SXM4-40GB*2");
        nvmig.Run("create", "9,19", "--enable-mig").ExitCode.Should().Be(0);
        return nvmig;
    }
}
