using Nvml.Mig.Cli.Doctor;
using Nvml.Mig.Cli.Output;

namespace Nvml.Mig.Tests.Cli;

/// <summary>The doctor's diagnosis of readings: each finding, and each obstacle to a change.</summary>
public class DiagnosisTests
{
    private static readonly ErrorEntry Lost = new(15, "GpuIsLost", "nvmlDeviceGetName", "GPU 0 is lost.");
    private static readonly ProcessReport OnTheWhole = new(10, "train", "Compute", 0, null, null);
    private static readonly ProcessReport OnInstance = new(11, "infer", "Compute", 0, 2, 0);
    private static readonly HolderReport Dcgm = new(12, "nv-hostengine", null, "dcgm", "nvidia-dcgm.service", ["/dev/nvidia0"], []);
    private static readonly HolderReport CapabilityClient = new(
        13,
        "mps",
        null,
        null,
        null,
        ["/dev/nvidia-caps/nvidia-cap21"],
        ["gpu0/gi2/access", "gpu0/gi2/ci0/access", "gpu1/gi7/access", "gpu0/later/access"]);

    private static GpuReport Ampere => new(0)
    {
        Uuid = "GPU-0",
        MinorNumber = 0,
        Architecture = "Ampere",
        VirtualizationMode = "None",
        PersistenceMode = true,
        MigCapable = true,
        Mig = new MigModeEntry(false, false),
        ChangesMigModeWithoutReset = false,
        Profiles = [Profile(free: 7)],
        GpuInstances = [],
        Processes = [],
    };

    private static GpuReport Hopper => Ampere with { Architecture = "Hopper", ChangesMigModeWithoutReset = true };

    private static GpuReport AmpereInMig => Ampere with { Mig = new MigModeEntry(true, true) };

    private static GpuReport HopperInMig => Hopper with { Mig = new MigModeEntry(true, true) };

    private static PrivilegesReport Root => new(0, true, true, "Missing", "Missing", true, true, "It may.");

    private static HostReport Host => new("/", "580", false, [], Root, new HoldersReport(true, [], []), []);

    private static DriverReport Driver => new(
        "580.159.04", null, null, null, "libnvidia-ml.so.1", null,
        new Dictionary<string, bool> { ["nvmlInit_v2"] = true, ["nvmlShutdown"] = true }, []);

    /// <summary>A machine with one thing that is worth knowing: its code, and what is said of it.</summary>
    private static readonly Dictionary<string, (Machine Machine, Severity Severity, string Code, string Message)> Findings = new()
    {
        ["NVML cannot be used"] = (new Machine([], Host, null, new ErrorEntry(12, "LibraryNotFound", null, "There is no library.")),
            Severity.Error, "nvml-unusable", "There is no library."),
        ["no GPU"] =
            (new Machine(
                []),
                Severity.Error,
                "no-gpu",
                "NVML reports no GPU. Check whether all are passed through to virtual machines, or withheld from this container."),
        ["a reading of the driver"] = (new Machine(
            [Hopper], Host, Driver with { Unread = [Unread(NvmlReturnCode.Unknown), Unread(NvmlReturnCode.NotSupported)] }),
            Severity.Warning, "unread", "Cannot read it: Unknown."),
        ["fewer functions"] = (new Machine(
            [Hopper], Host, Driver with { Functions = new Dictionary<string, bool> { ["a"] = true, ["b"] = false } }),
            Severity.Note,
            "older-driver",
            "The driver lacks 1 of 2 functions (--json names them). Older functions replace most of them; a command that needs another "
                + "fails with NVML_ERROR_FUNCTION_NOT_FOUND."),
        ["oddities"] = (new Machine(
            [Hopper with { Quirks = [new QuirkReport("Odd", "It is."), new QuirkReport("Odder", "It is too.")] },
                Hopper with { Index = 1, Quirks = [new QuirkReport("Odd", "It is.")] }]),
            Severity.Note, "driver-quirks", "This driver has 2 known quirks, which are handled: Odd, Odder (--json explains them)."),
        ["a file of the host"] =
            (new Machine(
                [Hopper], Host with { Problems = ["mig-minors, line 3: nonsense."] }),
                Severity.Warning,
                "host-unread",
                "mig-minors, line 3: nonsense."),
        ["no right to change"] =
            (new Machine(
                [Hopper], Host with { Privileges = Root with { CanChange = false, Explanation = "It may not." } }),
                Severity.Warning,
                "no-privileges",
                "It may not."),
        ["no right to list"] =
            (new Machine(
                [Hopper], Host with { Privileges = Root with { CanList = false, Explanation = "It may not list." } }),
                Severity.Warning,
                "no-privileges",
                "It may not list."),
        ["a container"] = (new Machine([Hopper], Host with { Holders = new HoldersReport(false, [], []) }),
            Severity.Note,
            "host-hidden",
            "Not all processes of the host are visible from here, so others may hold a GPU. Run this on the host, or give the container "
                + "the host's PID namespace and name the host's root with --root."),
        ["processes hidden from root"] = (new Machine([Hopper], Host with { Holders = new HoldersReport(true, [5, 6], []) }),
            Severity.Note, "holders-incomplete", "2 other processes cannot be inspected, and may hold a GPU too: 5, 6."),
        ["processes hidden from others"] = (new Machine(
            [Hopper],
            Host with
            {
                Privileges = Root with { EffectiveUserId = 1000 },
                Holders = new HoldersReport(true, [.. Enumerable.Range(1, 11)], []),
            }),
            Severity.Note,
            "holders-incomplete",
            "11 other processes cannot be inspected, and may hold a GPU too: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, .... Root can inspect more."),
        ["a lost GPU"] = (new Machine([new GpuReport(0) { Error = Lost }]), Severity.Error, "gpu-silent", "GPU 0 is lost."),
        ["a reading of a GPU"] = (new Machine(
            [Hopper with
            {
                Unread = [
                    Unread(NvmlReturnCode.NoPermission), Unread(NvmlReturnCode.NotSupported), Unread(NvmlReturnCode.FunctionNotFound)],
            }]),
            Severity.Warning, "unread", "Cannot read it: NoPermission."),
        ["no profiles"] =
            (new Machine(
                [Hopper with { Profiles = [] }]),
                Severity.Error,
                "no-profiles",
                "It has a MIG mode, but the driver reports no profile: no instance can be created."),
        ["no MIG"] =
            (new Machine(
                [Hopper with { MigCapable = false, Mig = null, Profiles = [] }]), Severity.Note, "no-mig", "It does not support MIG."),
        ["a virtual GPU"] =
            (new Machine(
                [Hopper with { VirtualizationMode = "Vgpu" }]),
                Severity.Note,
                "virtual-gpu",
                "It is a virtual GPU: the host decides how the GPU is divided."),
        ["enabling waits"] = (new Machine([Ampere with { Mig = new MigModeEntry(false, true) }]),
            Severity.Warning,
            "mode-pending",
            "MIG is disabled until the GPU is reset, then enabled. Stop the processes that use it and set the mode again, or reset it "
                + "with nvidia-smi --gpu-reset, or reboot."),
        ["enabling waits in a VM"] = (new Machine(
            [Ampere with { Mig = new MigModeEntry(false, true), VirtualizationMode = "Passthrough" }]),
            Severity.Warning,
            "mode-pending",
            "MIG is disabled until the GPU is reset, then enabled. Reboot this virtual machine: that resets a GPU that is passed through "
                + "to it."),
        ["disabling waits in a VM on Hopper"] = (new Machine(
            [Hopper with { Mig = new MigModeEntry(true, false), VirtualizationMode = "Passthrough" }]),
            Severity.Warning,
            "mode-pending",
            "MIG is enabled until the GPU is reset, then disabled. Stop the processes that use it and set the mode again, or reset it "
                + "with nvidia-smi --gpu-reset, or reboot."),
        ["a kernel module"] = (new Machine([Ampere, Hopper with { Index = 1 }], Host with { NvidiaDrmLoaded = true }),
            Severity.Note,
            "kernel-client",
            "The kernel module nvidia_drm is loaded. It can keep a GPU from being reset although no process is visible."),
        ["an instance of no use"] = (new Machine([HopperInMig with { GpuInstances = [Instance(2, 1), Instance(7, 0)] }]),
            Severity.Warning,
            "unusable-instance",
            "GPU instances without compute instances, which no process can use: 7 (3g.20gb). 'nvmig apply' with the layout creates "
                + "compute instances in them, 'nvmig destroy' frees their slices."),
        ["no instance"] = (new Machine([HopperInMig]),
            Severity.Warning,
            "no-instances",
            "MIG is enabled and there is no instance: CUDA, slurmd and the Kubernetes device plugin cannot use this GPU. Create instances "
                + "with 'nvmig apply' or 'nvmig create', or disable MIG with 'nvmig disable'."),
        ["a hidden holder"] = (new Machine([Hopper], HeldBy(Dcgm)),
            Severity.Note,
            "holders",
            "Its device file is open in dcgm (process 12, nvidia-dcgm.service), which NVML does not show. If the GPU or an instance is "
                + "in use although no process is on it, restart these."),
        ["a holder that NVML may have kept to itself"] = (new Machine([Hopper with { Processes = null }], HeldBy(Dcgm)),
            Severity.Note,
            "holders",
            "Its device file is open in dcgm (process 12, nvidia-dcgm.service). If the GPU or an instance is in use although no process "
                + "is on it, restart these."),
        ["a row that cannot be replaced"] = (new Machine([Hopper with { RemappedRows = new RemappedRowsReport(0, 1, false, true) }]),
            Severity.Error, "row-remap-failed", "A bad memory row could not be replaced: have the GPU replaced."),
        ["a row to be replaced"] = (new Machine([Hopper with { RemappedRows = new RemappedRowsReport(0, 1, true, false) }]),
            Severity.Warning, "row-remap-pending", "A bad memory row is replaced at the next GPU reset."),
        ["no persistence"] = (new Machine([HopperInMig with { PersistenceMode = false, GpuInstances = [Instance(2, 1)] }]),
            Severity.Warning,
            "no-persistence",
            "Persistence mode is off: MIG mode and all instances may be lost when the driver unloads after its last client."),
    };

    /// <summary>A machine, a change (mode, create, destroy), whether GPU 0 is ready for it, and why not.</summary>
    private static readonly Dictionary<string, (Machine Machine, string Change, bool? Ready, string[] Why)> Changes = new()
    {
        // What decides everything.
        ["a lost GPU"] = (new Machine([new GpuReport(0) { Error = Lost }]), "all", false, ["the GPU does not answer"]),
        ["no MIG"] = (new Machine([Hopper with { MigCapable = false, Mig = null }]), "all", false, ["the GPU does not support MIG"]),
        ["a virtual GPU"] = (new Machine([HopperInMig with { VirtualizationMode = "Vgpu" }]), "all", false, ["it is a virtual GPU"]),
        ["no right to change"] =
            (new Machine(
                [HopperInMig], Host with { Privileges = Root with { CanChange = false } }),
                "all",
                false,
                ["this process may not change MIG"]),
        ["rights unread"] =
            (new Machine([HopperInMig], Host with { Privileges = null }), "all", null, ["the privileges of this process cannot be read"]),
        ["virtualization unread"] =
            (new Machine([HopperInMig with { VirtualizationMode = null }]), "all", null, ["the virtualization mode cannot be read"]),
        ["mode unread"] = (new Machine([HopperInMig with { MigCapable = null, Mig = null }]), "all", null, ["the MIG mode cannot be read"]),
        ["a simulated machine"] = (new Machine([HopperInMig], null), "all", true, []),

        // Changes of mode.
        ["Ampere, idle"] = (new Machine([Ampere]), "mode", true, []),
        ["Ampere, a mode that waits"] = (new Machine([Ampere with { Mig = new MigModeEntry(false, true) }]), "mode", true, []),
        ["Ampere in a VM"] =
            (new Machine(
                [Ampere with { VirtualizationMode = "Passthrough" }]),
                "mode",
                false,
                ["it needs a reset of the GPU, and so a reboot of this virtual machine"]),
        ["Ampere, used"] =
            (new Machine(
                [Ampere with { Processes = [OnTheWhole, OnTheWhole] }]),
                "mode",
                false,
                ["it needs a reset of the GPU, which is used by process 10 (train)"]),
        ["Ampere, held"] =
            (new Machine([Ampere], HeldBy(Dcgm)), "mode", false, [
                "it needs a reset of the GPU, which is held by dcgm (process 12, nvidia-dcgm.service)"]),
        ["Ampere, held by what NVML shows"] =
            (new Machine(
                [Ampere with { Processes = [OnTheWhole] }], HeldBy(Dcgm with { ProcessId = 10 })),
                "mode",
                false,
                ["it needs a reset of the GPU, which is used by process 10 (train)"]),
        ["Ampere, processes unread"] = (new Machine([Ampere with { Processes = null }]), "mode", null, ["the processes cannot be read"]),
        ["Ampere, holders unread"] =
            (new Machine(
                [Ampere], Host with { Holders = null }), "mode", null, ["the processes with its device files open cannot be read"]),
        ["Ampere, minor number unread"] =
            (new Machine(
                [Ampere with { MinorNumber = null }], HeldBy(Dcgm)),
                "mode",
                null,
                ["the processes with its device files open cannot be read"]),
        ["Ampere, host hidden"] =
            (new Machine(
                [Ampere], Host with { Holders = new HoldersReport(false, [], []) }),
                "mode",
                null,
                ["not every process of the host can be inspected"]),
        ["Ampere, some processes hidden"] =
            (new Machine(
                [Ampere], Host with { Holders = new HoldersReport(true, [5], []) }),
                "mode",
                null,
                ["not every process of the host can be inspected"]),
        ["Ampere, by its architecture"] =
            (new Machine(
                [Ampere with { ChangesMigModeWithoutReset = null, VirtualizationMode = "Passthrough" }]),
                "mode",
                false,
                ["it needs a reset of the GPU, and so a reboot of this virtual machine"]),
        ["Hopper, by its architecture"] =
            (new Machine([Hopper with { ChangesMigModeWithoutReset = null, VirtualizationMode = "Passthrough" }]), "mode", true, []),
        ["architecture unread"] =
            (new Machine(
                [Ampere with { ChangesMigModeWithoutReset = null, Architecture = null }]),
                "mode",
                null,
                ["whether it needs a reset of the GPU cannot be read"]),
        ["enabling Hopper, used and held"] = (new Machine([Hopper with { Processes = [OnTheWhole] }], HeldBy(Dcgm)), "mode", true, []),
        ["enabling Hopper, nothing seen"] =
            (new Machine([Hopper with { Processes = null, GpuInstances = null }], Host with { Holders = null }), "mode", true, []),
        ["disabling Hopper, held"] = (new Machine([HopperInMig], HeldBy(Dcgm)), "mode", true, []),
        ["disabling Hopper, used"] =
            (new Machine([HopperInMig with { Processes = [OnTheWhole] }]), "mode", false, ["the GPU is used by process 10 (train)"]),
        ["disabling Hopper, processes unread"] =
            (new Machine([HopperInMig with { Processes = null }]), "mode", null, ["the processes cannot be read"]),
        ["disabling with instances"] =
            (new Machine(
                [HopperInMig with { GpuInstances = [Instance(2, 1), Instance(7, 0)] }]), "mode", false, ["it has GPU instances: 2, 7"]),
        ["disabling, instances unread"] =
            (new Machine([HopperInMig with { GpuInstances = null }]), "mode", null, ["the instances cannot be read"]),

        // New instances.
        ["creating, MIG disabled"] =
            (new Machine([Hopper with { Processes = null, Profiles = null }]), "create", false, ["MIG is disabled"]),
        ["creating, enabling waits"] =
            (new Machine(
                [Ampere with { Mig = new MigModeEntry(false, true) }]), "create", false, ["MIG is disabled until the GPU is reset"]),
        ["creating, held"] = (new Machine([AmpereInMig], HeldBy(Dcgm)), "create", true, []),
        ["creating, profiles unread"] =
            (new Machine([AmpereInMig with { Profiles = null }]), "create", null, ["the profiles cannot be read"]),
        ["creating, no profiles"] = (new Machine([AmpereInMig with { Profiles = [] }]), "create", false, ["the driver reports no profile"]),
        ["creating, no room"] =
            (new Machine(
                [AmpereInMig with { Profiles = [Profile(free: 0), Profile(free: 0)], GpuInstances = [Instance(0, 1)] }]),
                "create",
                false,
                ["no profile has room"]),
        ["creating, room for one"] =
            (new Machine(
                [AmpereInMig with
                {
                    Profiles = [Profile(free: 1), Profile(free: 0)],
                    GpuInstances = [Instance(2, 1)],
                    Processes = [OnInstance],
                }]), "create", true, []),
        ["creating the first, used"] =
            (new Machine(
                [AmpereInMig with { Processes = [OnTheWhole] }]), "create", false, ["the whole GPU is used by process 10 (train)"]),
        ["creating the first, processes unread"] =
            (new Machine([AmpereInMig with { Processes = null }]), "create", null, ["the processes cannot be read"]),
        ["creating another, processes unread"] =
            (new Machine([AmpereInMig with { Processes = null, GpuInstances = [Instance(2, 1)] }]), "create", true, []),

        // Destroying.
        ["destroying nothing"] = (new Machine([AmpereInMig with { Processes = null }], Host with { Holders = null }), "destroy", true, []),
        ["destroying, MIG disabled"] = (new Machine([Ampere with { GpuInstances = null }]), "destroy", true, []),
        ["destroying, idle"] = (new Machine([AmpereInMig with { GpuInstances = [Instance(2, 1)] }]), "destroy", true, []),
        ["destroying, instances unread"] =
            (new Machine([AmpereInMig with { GpuInstances = null }]), "destroy", null, ["the instances cannot be read"]),
        ["destroying, processes unread"] =
            (new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)], Processes = null }]),
                "destroy",
                null,
                ["the processes cannot be read"]),
        ["destroying, used"] =
            (new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)], Processes = [OnInstance] }]),
                "destroy",
                false,
                ["GPU instance 2 is used by process 11 (infer)"]),
        ["destroying, device file held"] =
            (new Machine([AmpereInMig with { GpuInstances = [Instance(2, 1)] }], HeldBy(Dcgm)), "destroy", true, []),
        ["destroying, capability held"] =
            (new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)] }], HeldBy(CapabilityClient)),
                "destroy",
                false,
                ["GPU instance 2 is held by mps (process 13)"]),
        ["destroying, capability held by what NVML shows there"] = (
            new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)], Processes = [OnInstance] }],
                HeldBy(CapabilityClient with { ProcessId = 11 })), "destroy", false, ["GPU instance 2 is used by process 11 (infer)"]),
        ["destroying, holders unread"] =
            (new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)] }], Host with { Holders = null }),
                "destroy",
                null,
                ["the processes with its device files open cannot be read"]),
        ["destroying, host hidden"] =
            (new Machine(
                [AmpereInMig with { GpuInstances = [Instance(2, 1)] }], Host with { Holders = new HoldersReport(false, [], []) }),
                "destroy",
                null,
                ["not every process of the host can be inspected"]),
    };

    public static TheoryData<string> FindingCases => new(Findings.Keys);

    public static TheoryData<string> ChangeCases => new(Changes.Keys);

    [Fact]
    public void A_healthy_machine_has_no_findings() =>
        new Machine([Ampere, HopperInMig with { Index = 1, GpuInstances = [Instance(2, 1)], Processes = [OnInstance] }]).Findings.Should()
            .BeEmpty();

    [Theory]
    [MemberData(nameof(FindingCases))]
    public void Each_problem_is_exactly_one_finding(string what)
    {
        (Machine machine, Severity severity, string code, string message) = Findings[what];

        machine.Findings.Select(f => (f.Severity, f.Code, f.Message)).Should().Equal((severity, code, message));
    }

    [Theory]
    [MemberData(nameof(ChangeCases))]
    public void Each_obstacle_to_a_change_is_reported(string what)
    {
        (Machine machine, string change, bool? ready, string[] why) = Changes[what];
        Readiness readiness = machine.Diagnosed[0].Readiness!;

        IEnumerable<ChangeReadiness> asked = change switch
        {
            "mode" => [readiness.ModeChange],
            "create" => [readiness.Create],
            "destroy" => [readiness.Destroy],
            _ => [readiness.ModeChange, readiness.Create, readiness.Destroy],
        };

        asked.Should().AllSatisfy(answer =>
        {
            answer.Ready.Should().Be(ready);
            answer.Obstacles.Should().Equal(why);
        });
    }

    [Fact]
    public void The_same_finding_on_several_gpus_is_one_the_worst_first()
    {
        GpuReport pending = Ampere with { Mig = new MigModeEntry(false, true) };

        new Machine(
            [pending,
                Hopper with { Index = 1, MigCapable = false, Mig = null },
                pending with { Index = 2 },
                new GpuReport(3) { Error = Lost }]).Findings
            .Select(f => $"{f.Severity} {f.Code} {string.Join(',', f.Gpus)}")
            .Should().Equal("Error gpu-silent 3", "Warning mode-pending 0,2", "Note no-mig 1");
    }

    [Fact]
    public void Processes_without_permission_are_not_called_hidden()
    {
        Machine machine = new([HopperInMig, Hopper with { Index = 1 }], HeldBy(Dcgm) with { Privileges = Root with { CanList = false } });

        machine.Diagnosed.Select(gpu => gpu.Holders!.Single().ShownByNvml)
            .Should().Equal([null, false], "where MIG is disabled everybody may see the processes");
    }

    private static HostReport HeldBy(params HolderReport[] holders) => Host with { Holders = new HoldersReport(true, [], holders) };

    private static UnreadEntry Unread(NvmlReturnCode code) => new("it", code, "nvmlDeviceGetIt", $"Cannot read it: {code}.");

    private static ProfileReport Profile(int free) => new(0, 19, "1g.5gb", 1, 7, free, 4864, 14, "", []);

    private static GpuInstanceEntry Instance(int id, int computeInstances) => new(
        id,
        "3g.20gb",
        9,
        new PlacementEntry(0, 4),
        [.. Enumerable.Range(0, computeInstances).Select(i => new ComputeInstanceEntry(i, "3g.20gb", 2, new PlacementEntry(0, 3), null))]);

    /// <summary>What was read of a machine, and what the doctor finds in it.</summary>
    private sealed record Machine(IReadOnlyList<GpuReport> Gpus, HostReport? Host, DriverReport? Driver, ErrorEntry? Error = null)
    {
        public Machine(IReadOnlyList<GpuReport> gpus)
            : this(gpus, DiagnosisTests.Host, DiagnosisTests.Driver)
        {
        }

        public Machine(IReadOnlyList<GpuReport> gpus, HostReport? host)
            : this(gpus, host, DiagnosisTests.Driver)
        {
        }

        public IReadOnlyList<Finding> Findings => Diagnosis.Of(Host, Driver, Gpus, Error).Findings;

        public IReadOnlyList<GpuReport> Diagnosed => Diagnosis.Of(Host, Driver, Gpus, Error).Gpus;
    }
}
