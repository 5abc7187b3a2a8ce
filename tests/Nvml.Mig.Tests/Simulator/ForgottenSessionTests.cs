namespace Nvml.Mig.Tests.Simulator;

/// <summary>
/// A machine is given up while a session on it is open: until that is closed, no other test of this process could start one.
/// </summary>
[Collection(nameof(ForgottenSessionTests))]
[CollectionDefinition(nameof(ForgottenSessionTests), DisableParallelization = true)]
public class ForgottenSessionTests
{
    [Fact]
    public void The_machine_under_an_open_session_does_not_change()
    {
        NvmlSimulator first = NvmlSimulator.Start();
        using NvmlSession forgotten = NvmlSession.Open(first.LibraryPath);
        first.Dispose();

        FluentActions.Invoking(() => NvmlSimulator.Start("H200")).Should().Throw<InvalidOperationException>()
            .WithMessage("*dispose of sessions before the simulator*");
    }
}
