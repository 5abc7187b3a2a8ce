using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class MigPrivilegesTests
{
    private const ulong SysAdmin = 1 << 21;
    private const ulong AllButSysAdmin = 0x1ffffdfffff;
    private const string OwnUserNamespace = "         0       1000          1\n";

    [Fact]
    public void An_administrator_may_do_everything()
    {
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 0, SysAdmin);

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.EffectiveUserId, privileges.HasSysAdmin, privileges.IsInHostUserNamespace).Should().Be((0, true, true));
        (privileges.Config, privileges.Monitor).Should().Be((CapabilityAccess.Missing, CapabilityAccess.Missing));
        (privileges.IsAdministrator, privileges.CanChange, privileges.CanList).Should().Be((true, true, true));
        privileges.ChangeExplanation.Should().Be("This process may change MIG: it has CAP_SYS_ADMIN.");
        privileges.ListExplanation.Should().Be("This process may list compute instances: it has CAP_SYS_ADMIN.");
    }

    [Fact]
    public void A_user_with_the_capabilities_needs_not_be_root()
    {
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 1000, capabilities: 0);
        host.AddDevices("/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap2");

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.CanChange, privileges.CanList).Should().Be((true, true));
        privileges.ChangeExplanation.Should().Be("This process may change MIG: it may open the config capability's device node.");
        privileges.ListExplanation.Should()
            .Be("This process may list compute instances: it may open the monitor capability's device node.");
    }

    [Fact]
    public void A_user_with_the_monitor_capability_may_look_and_not_touch()
    {
        using FakeHost host = new();
        host.AddDriver();
        host.AddSelf(user: 1000, AllButSysAdmin);
        // Opening a folder is refused as opening a node without the right is, to root too.
        Directory.CreateDirectory(host.Root.Locate("/dev/nvidia-caps/nvidia-cap1"));
        host.AddDevices("/dev/nvidia-caps/nvidia-cap2");

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.Config, privileges.Monitor, privileges.CanChange, privileges.CanList)
            .Should().Be((CapabilityAccess.Denied, CapabilityAccess.Granted, false, true));
        privileges.ChangeExplanation.Should().Be(
            "This process may not change MIG: it is user 1000 without CAP_SYS_ADMIN, and may not open the config capability's device "
                + "node. Run it as root, or let it open the config capability's device node.");
    }

    [Fact]
    public void Root_in_a_container_is_told_what_it_lacks()
    {
        using FakeHost host = new();
        host.AddSelf(user: 0, AllButSysAdmin);

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.CanChange, privileges.CanList).Should().Be((false, false));
        privileges.ChangeExplanation.Should().Be(
            "This process may not change MIG: it is root without CAP_SYS_ADMIN, and finds no device node of the config capability. Run "
                + "it as root with CAP_SYS_ADMIN in the host's user namespace (docker run --cap-add SYS_ADMIN), or let it open the "
                + "config capability's device node.");
        privileges.ListExplanation.Should().StartWith(
            "This process may not list compute instances: it is root without CAP_SYS_ADMIN, and finds no device node of the monitor "
                + "capability.");
    }

    [Fact]
    public void Capabilities_in_a_user_namespace_do_not_count_for_the_driver()
    {
        using FakeHost host = new();
        host.AddSelf(user: 0, ulong.MaxValue, OwnUserNamespace);

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.HasSysAdmin, privileges.IsInHostUserNamespace, privileges.CanChange).Should().Be((true, false, false));
        privileges.ChangeExplanation.Should().Contain("its CAP_SYS_ADMIN counts in its own user namespace only");
    }

    [Fact]
    public void The_capabilities_are_looked_for_where_the_driver_puts_them()
    {
        using FakeHost host = new();
        host.WriteFile(MigMinors.FilePath, "config 41\nmonitor 42\n");
        host.AddSelf(user: 1000, capabilities: 0);
        host.AddDevices("/dev/nvidia-caps/nvidia-cap1", "/dev/nvidia-caps/nvidia-cap42");

        MigPrivileges privileges = MigPrivileges.Read(host.Root);

        (privileges.Config, privileges.Monitor).Should().Be((CapabilityAccess.Missing, CapabilityAccess.Granted));
    }

    [Fact]
    public void It_can_be_asked_on_any_machine()
    {
        MigPrivileges privileges = MigPrivileges.Read();

        (privileges.EffectiveUserId == 0).Should().Be(Environment.IsPrivilegedProcess);
    }
}
