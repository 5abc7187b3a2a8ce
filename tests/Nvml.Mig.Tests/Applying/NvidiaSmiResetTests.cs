using Nvml.Mig.Host;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Applying;

/// <summary>A reset through nvidia-smi; another program takes its place on PATH.</summary>
[Collection(FakeSystemd.Collection)]
public class NvidiaSmiResetTests
{
    [Theory]
    [InlineData("exit 19", NvmlReturnCode.InUse, "* ended with exit code 19: a client has it open")]
    [InlineData("exit 130", NvmlReturnCode.Unknown, "* ended with exit code 130: *")]
    [InlineData("kill -INT $$", NvmlReturnCode.Unknown, "* was ended by signal 2: *")]
    [InlineData("kill -KILL $$", NvmlReturnCode.Unknown, "* was ended by signal 9: *")]
    public async Task Its_exit_code_is_the_failure(string end, NvmlReturnCode code, string message)
    {
        using ApplyMachine machine = ApplyMachine.Start("A100-SXM4-40GB");
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("nvidia-smi"), $"#!/bin/sh\necho 'a client has it open'\n{end}\n");
        File.SetUnixFileMode(folder.File("nvidia-smi"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string? path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", $"{folder.Path}:{path}");
        try
        {
            Func<Task> reset = () => NvidiaSmi.ResetGpuAsync(machine.Gpu);

            (await reset.Should().ThrowAsync<NvmlException>().WithMessage(message)).Which.Code.Should().Be(code);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }
}
