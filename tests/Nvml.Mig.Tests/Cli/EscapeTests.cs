namespace Nvml.Mig.Tests.Cli;

/// <summary>Text of others reaches a terminal as text: control characters are printed as <c>\u001b</c>.</summary>
public class EscapeTests
{
    private const string Evil = "a\u001b[31m\nGPU 9";

    [Fact]
    public void A_process_name_is_text()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        nvmig.Run("create", "1g.5gb", "--enable-mig").ExitCode.Should().Be(0);
        using NvmlSimulator simulator = NvmlSimulator.Start(nvmig.Simulate, nvmig.StateFile);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        using IDisposable process = simulator.StartProcess(session.Devices[0].GetMigDevices()[0], 4711, Evil);

        Nvmig.Answer doctor = nvmig.Run("doctor");
        Nvmig.Answer destroy = nvmig.Run("destroy", "--all");
        Nvmig.Answer json = nvmig.Run("doctor", "--json");

        doctor.Out.Should().Contain(@"4711 (a\u001b[31m\u000aGPU 9)");
        destroy.Error.Should().Contain(@"a\u001b[31m\u000aGPU 9");
        json.Json.GetProperty("gpus")[0].GetProperty("processes")[0].GetProperty("name").GetString().Should().Be(Evil);
        foreach (Nvmig.Answer answer in (Nvmig.Answer[])[doctor, destroy, json])
            IsText(answer);
    }

    [Fact]
    public void A_layout_file_is_text()
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");
        string file = Path.Combine(nvmig.Folder, "layouts.yaml");
        File.WriteAllText(
            file,
            "version: v1\nmig-configs:\n  \"all\\e[31m\":\n    - devices: all\n      mig-enabled: true\n"
                + "      mig-devices: {\"\\e[2J1g\": 1}\n");

        foreach (string command in (string[])["apply", "assert", "plan"])
        {
            Nvmig.Answer answer = nvmig.Run(command, "-f", file, "-c", "all\u001b[31m");
            answer.ExitCode.Should().NotBe(0);
            answer.Error.Should().Contain("control character");
            IsText(answer);
        }
    }

    [Theory]
    [InlineData("list", "-i", Evil)]
    [InlineData("create", Evil)]
    [InlineData("destroy", Evil)]
    [InlineData("cdi", "MIG-" + Evil)]
    [InlineData(Evil)]
    public void An_argument_is_text(params string[] command)
    {
        using Nvmig nvmig = new("A100-SXM4-40GB");

        IsText(nvmig.Run(command));
        IsText(nvmig.Run([.. command, "--json"]));
    }

    [Theory]
    [InlineData("a\u009bb", @"a\u009bb")]
    [InlineData("\u202eabc", @"\u202eabc")]
    [InlineData("x\u2028y", @"x\u2028y")]
    [InlineData("\U000E0041", @"\udb40\udc41")]
    [InlineData("tab\t", @"tab\u0009")]
    [InlineData("3g.20gb über 東京 🙂", "3g.20gb über 東京 🙂")]
    public void Only_what_a_terminal_obeys_or_hides_is_escaped(string text, string escaped) =>
        Mig.Cli.Output.Terminal.Escape(text).Should().Be(escaped);

    private static void IsText(Nvmig.Answer answer)
    {
        $"{answer.Out}{answer.Error}".Should().NotContain("\u001b");
        $"{answer.Out}\n{answer.Error}".Split('\n').Should().NotContain(line => line.StartsWith("GPU 9", StringComparison.Ordinal));
    }
}
