using Nvml.Mig.Tests.Cli;

namespace Nvml.Mig.Tests.Devices;

/// <summary>Mistakes that types prevent: programs with them do not compile.</summary>
public class TypeSafetyTests
{
    /// <summary>A line with a mistake each, and what the compiler says to it.</summary>
    private static readonly (string Line, string Error)[] Mistakes =
    [
        ("gpu.CreateGpuInstance(half.GetComputeInstanceProfiles()[0]);", "CS1503"), // a compute instance's profile for a GPU instance
        ("half.CreateComputeInstance(half.Profile);", "CS1503"), // and the other way round
        ("gpu.CreateGpuInstance(9);", "CS1503"), // an id, which means another size on another model
        ("_ = gpu.EnableMig() == NvmlReturnCode.Success;", "CS0019"), // the call's code mixed up with the activation's
        ("_ = gpu.GetGpuInstance(0) == compute;", "CS0019"), // a GPU instance taken for a compute instance
        ("device.GetUtilization();", "CS1061"), // what NVML has for whole GPUs only
        ("_ = new GpuInstance();", "CS1729"), // instances come from the driver
        ("GpuMemory memory = device.GetBar1Memory();", "CS0029"), // one memory for another
        ("long used = gpu.GetProcesses()[0].UsedMemoryBytes;", "CS0266"), // a number that may be unknown, taken for one
        ("gpu.GetEccErrorCount(EccCounterType.Volatile, EccErrorType.Corrected);", "CS1503"), // two numbers in the wrong order
    ];

    [Fact]
    public void Programs_with_these_mistakes_do_not_compile()
    {
        using TemporaryFolder folder = new();
        Nvmig.Answer build = SampleProject.Make(folder, "build", $$"""
            using Nvml.Mig;

            public static class Mistakes
            {
                public static void Make(GpuDevice gpu, GpuInstance half, ComputeInstance compute, MigDevice device)
                {
            {{string.Join('\n', Mistakes.Select(m => m.Line))}}
                }
            }
            """);

        const int firstLine = 7;
        for (int i = 0; i < Mistakes.Length; i++)
            build.Out.Should().MatchRegex($@"Program\.cs\({firstLine + i},\d+\): error {Mistakes[i].Error}", "of {0}", Mistakes[i].Line);
    }
}
