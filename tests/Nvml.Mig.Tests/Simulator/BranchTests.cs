using System.Runtime.InteropServices;

namespace Nvml.Mig.Tests.Simulator;

/// <summary>Differences between branches of the driver, asked of the libraries of 470.256, 535.261, 550.163 and 580.159.</summary>
public unsafe class BranchTests
{
    [Theory]
    [InlineData(SimulatedDriver.R470, 23, "Insufficient Resources")]
    [InlineData(SimulatedDriver.R470, 21, "Unknown Error")]
    [InlineData(SimulatedDriver.R470, 25, "Unknown Error")]
    [InlineData(SimulatedDriver.R535, 21, "No data")]
    [InlineData(SimulatedDriver.R535, 27, "System is not in ready state")]
    [InlineData(SimulatedDriver.R535, 28, "Unknown Error")]
    [InlineData(SimulatedDriver.R550, 29, "Resource not in correct state to perform requested operation")]
    [InlineData(SimulatedDriver.R550, 30, "Unknown Error")]
    [InlineData(SimulatedDriver.R580, 30, "Reset type is not supported for given device")]
    public void Error_texts_are_those_of_the_branch(SimulatedDriver driver, int code, string text)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200", driver: driver);

        Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<int, byte*>)Export("nvmlErrorString"))(code)).Should().Be(text);
    }

    [Theory]
    [InlineData(SimulatedDriver.R470, 1, 0)]
    [InlineData(SimulatedDriver.R535, 0, 0)]
    [InlineData(SimulatedDriver.R550, 0, 0)]
    [InlineData(SimulatedDriver.R580, 0, 1)]
    public void Without_init_the_branches_answer_differently(SimulatedDriver driver, int version, int shutdown)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200", driver: driver);
        byte* text = stackalloc byte[80];

        ((delegate* unmanaged<byte*, uint, int>)Export("nvmlSystemGetNVMLVersion"))(text, 80).Should().Be(version);
        ((delegate* unmanaged<byte*, uint, int>)Export("nvmlSystemGetDriverVersion"))(text, 80).Should().Be(1);
        ((delegate* unmanaged<int>)Export("nvmlShutdown"))().Should().Be(shutdown);
    }

    [Theory]
    [InlineData(SimulatedDriver.R535, 2)]
    [InlineData(SimulatedDriver.R550, 0)]
    public void Version_3_of_the_profile_structs_came_before_550(SimulatedDriver driver, int result)
    {
        using NvmlSimulator simulator = NvmlSimulator.Start("H200", driver: driver);
        using NvmlSession session = NvmlSession.Open(simulator.LibraryPath);
        nint gpu;
        ((delegate* unmanaged<uint, nint*, int>)Export("nvmlDeviceGetHandleByIndex_v2"))(0, &gpu).Should().Be(0);
        byte* info = stackalloc byte[0x98];
        *(uint*)info = 0x03000098;

        ((delegate* unmanaged<nint, uint, byte*, int>)Export("nvmlDeviceGetGpuInstanceProfileInfoV"))(gpu, 0, info).Should().Be(result);
    }

    private static nint Export(string function) => NativeLibrary.GetExport(NativeLibrary.Load(StubControls.LibraryPath), function);
}
