using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Applying;

/// <summary>
/// R470 places no compute instances and does not say where they could stand. In processes of their own, since one has one NVML.
/// </summary>
public class OldDriverTests
{
    [Theory]
    [InlineData("3g.20gb,1g.5gb*3", "3g.20gb,1g.5gb*2")]
    [InlineData("4g.20gb/1c/1c/2c,1g.5gb", "4g.20gb/1c/1c/2c,2g.10gb")]
    [InlineData("7g.40gb", "3g.20gb/1c/2c,1g.5gb/none")]
    public void Layouts_are_applied_one_after_the_other_and_taken_back(string first, string second)
    {
        using Nvmig nvmig = new();
        nvmig.Environment["NVML_LIBRARY_PATH"] = Nvmig.Stub470;
        nvmig.Environment["NVML_STUB_GPUS"] = nvmig.Simulate;
        string[] records = ["--record-folder", Path.Combine(nvmig.Folder, "records")];

        Ok(["apply", first, .. records]);
        string[] before = Devices();
        Ok(["apply", second, .. records]);
        Ok(["assert", second]);
        Ok(["apply", second, .. records]);
        Ok(["rollback", .. records]);

        Devices().Should().Equal(before);

        void Ok(string[] arguments)
        {
            Nvmig.Answer answer = nvmig.RunBare(arguments);
            answer.ExitCode.Should().Be(0, answer.Error);
        }

        string[] Devices() => [.. nvmig.RunBare("list", "--json").Json.GetProperty("gpus")[0].GetProperty("gpuInstances").EnumerateArray()
            .SelectMany(i => i.GetProperty("computeInstances").EnumerateArray()).Select(c => c.GetProperty("migUuid").GetString()!)];
    }
}
