using Nvml.Mig.Cli.Simulate;

namespace Nvml.Mig.Tests.Cli;

public class SimulatedMachinesTests
{
    [Fact]
    public void The_environment_moves_the_journal_of_simulated_machines_only()
    {
        SimulatedMachines.JournalFolderFor(null, "/tmp/machine", Nvmig.Stub).Should().Be("/tmp/machine.apply");
        SimulatedMachines.JournalFolderFor(null, "/tmp/machine", Nvmig.Stub470).Should().Be("/tmp/machine.apply");
        SimulatedMachines.JournalFolderFor(null, "/tmp/machine", "libm.so.6").Should().BeNull("that is no simulated driver");
        SimulatedMachines.JournalFolderFor(null, "/tmp/machine", "/no/such/library.so").Should().BeNull();
        SimulatedMachines.JournalFolderFor(null, null, Nvmig.Stub).Should().BeNull();
    }
}
