using System.Text.Json;
using Nvml.Mig.Host;

namespace Nvml.Mig.Tests.Host;

public class CdiSpecificationTests
{
    [Fact]
    public void A_specification_is_what_a_runtime_reads()
    {
        using SimulatedGpu machine = SimulatedGpu.Start();
        MigDevice device = machine.Create("3g.20gb").CreateComputeInstance().GetMigDevice();

        CdiSpecification.Create([MigDeviceAccess.Find(device, MigMinors.Known)]).Should().Be(
            $$"""
            {
              "cdiVersion": "0.5.0",
              "kind": "nvidia.com/gpu",
              "devices": [
                {
                  "name": "0:0",
                  "containerEdits": {
                    "deviceNodes": [
                      {
                        "path": "/dev/nvidia0"
                      },
                      {
                        "path": "/dev/nvidia-caps/nvidia-cap21"
                      },
                      {
                        "path": "/dev/nvidia-caps/nvidia-cap22"
                      }
                    ]
                  }
                },
                {
                  "name": "{{device.Uuid}}",
                  "containerEdits": {
                    "deviceNodes": [
                      {
                        "path": "/dev/nvidia0"
                      },
                      {
                        "path": "/dev/nvidia-caps/nvidia-cap21"
                      },
                      {
                        "path": "/dev/nvidia-caps/nvidia-cap22"
                      }
                    ]
                  }
                }
              ],
              "containerEdits": {
                "env": [
                  "NVIDIA_VISIBLE_DEVICES=void"
                ],
                "deviceNodes": [
                  {
                    "path": "/dev/nvidiactl"
                  },
                  {
                    "path": "/dev/nvidia-uvm"
                  },
                  {
                    "path": "/dev/nvidia-uvm-tools"
                  }
                ]
              }
            }
            """.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_whole_machine_is_valid_whatever_it_is_divided_into()
    {
        using SimulatedGpu machine = SimulatedGpu.Start("A100-SXM4-40GB*2,H200,A30,RTX-PRO-6000-Server");
        foreach (GpuDevice gpu in machine.Session.Devices)
        {
            GpuInstanceProfile smallest = gpu.GetGpuInstanceProfiles()[0];
            for (int i = gpu.GetRemainingCapacity(smallest); i > 0; i--)
                gpu.CreateGpuInstance(smallest).CreateComputeInstance();
        }

        MigDeviceAccess[] devices = [
            .. machine.Session.Devices.SelectMany(gpu => gpu.GetMigDevices()).Select(d => MigDeviceAccess.Find(d, MigMinors.Known))];
        JsonElement specification = JsonDocument.Parse(CdiSpecification.Create(devices)).RootElement;

        CdiRules.Check(specification);
        devices.Should().HaveCount(7 + 7 + 7 + 4 + 4);
        specification.GetProperty("devices").EnumerateArray().Select(d => d.GetProperty("name").GetString())
            .Should().BeEquivalentTo(devices.SelectMany(d => (string[])[d.Uuid, d.IndexName]));
        specification.GetProperty("devices").EnumerateArray().Select(d => d.GetProperty("containerEdits").GetRawText()).Distinct()
            .Should().HaveCount(devices.Length, "each device has nodes of its own");
    }

    [Fact]
    public void A_device_that_is_named_twice_is_in_it_once()
    {
        MigDeviceAccess device = Device("MIG-a", "0:0");

        JsonElement specification = JsonDocument.Parse(CdiSpecification.Create([device, device])).RootElement;

        CdiRules.Check(specification);
        specification.GetProperty("devices").GetArrayLength().Should().Be(2, "it has two names");
    }

    [Fact]
    public void Indices_that_shifted_between_two_reads_are_an_error() =>
        FluentActions.Invoking(() => CdiSpecification.Create([Device("MIG-a", "0:0"), Device("MIG-b", "0:0")]))
            .Should().Throw<InvalidOperationException>()
            .WithMessage("MIG-a and MIG-b are both called 0:0: instances were created or destroyed while they were read. Read them again.");

    [Fact]
    public void A_specification_without_a_device_is_none() =>
        FluentActions.Invoking(() => CdiSpecification.Create([]))
            .Should().Throw<ArgumentException>().WithMessage("A CDI specification needs a device*");

    [Fact]
    public void Another_kind_keeps_it_apart_from_the_toolkits()
    {
        JsonElement specification = JsonDocument.Parse(
            CdiSpecification.Create([Device("MIG-a", "0:0")], "example.com/mig-device")).RootElement;

        CdiRules.Check(specification);
        specification.GetProperty("kind").GetString().Should().Be("example.com/mig-device");
    }

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("nvidia.com/")]
    [InlineData("nvidia.com/gpu/0")]
    [InlineData("nvidia.com/g.pu")] // from CDI 0.6 on
    [InlineData("nvidia com/gpu")]
    [InlineData("1nvidia.com/gpu")]
    [InlineData("nvidia.com/gpu-")]
    public void What_is_no_kind_is_refused(string kind) =>
        FluentActions.Invoking(() => CdiSpecification.Create([Device("MIG-a", "0:0")], kind)).Should().Throw<ArgumentException>()
            .WithMessage($"'{kind}' is not a kind of CDI devices: *");

    private static MigDeviceAccess Device(string uuid, string indexName) => new()
    {
        Uuid = uuid,
        IndexName = indexName,
        GpuMinor = 0,
        GpuInstanceId = 0,
        ComputeInstanceId = 0,
        CapabilityFiles = [],
        DeviceNodes = [new HostFile("/dev/nvidia0", true)],
        SharedDeviceNodes = [new HostFile("/dev/nvidiactl", true)],
    };
}
