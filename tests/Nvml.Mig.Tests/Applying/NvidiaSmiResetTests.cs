using Nvml.Mig.Host;
using Nvml.Mig.Tests.Host;

namespace Nvml.Mig.Tests.Applying;

/// <summary>A reset through nvidia-smi; another program takes its place on PATH.</summary>
[Collection(FakeSystemd.Collection)]
public class NvidiaSmiResetTests
{
    [Fact]
    public async Task Its_exit_code_is_in_the_exception()
    {
        using ApplyMachine machine = ApplyMachine.Start("A100-SXM4-40GB");
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("nvidia-smi"), "#!/bin/sh\necho 'a client has it open'\nexit 19\n");
        File.SetUnixFileMode(folder.File("nvidia-smi"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string? path = Environment.GetEnvironmentVariable("PATH");
        Environment.SetEnvironmentVariable("PATH", $"{folder.Path}:{path}");
        try
        {
            Func<Task> reset = () => NvidiaSmi.ResetGpuAsync(machine.Gpu);

            (await reset.Should().ThrowAsync<NvmlInUseException>()).Which.Code.Should().Be(NvmlReturnCode.InUse);
        }
        finally
        {
            Environment.SetEnvironmentVariable("PATH", path);
        }
    }
}
