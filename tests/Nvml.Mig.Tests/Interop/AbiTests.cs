using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Nvml.Mig.Interop;
using Nvml.Mig.Native;

namespace Nvml.Mig.Tests.Interop;

/// <summary>The bindings against what a C compiler made of the same declarations.</summary>
public class AbiTests
{
    private static readonly Dictionary<string, long> C = ReadFacts();

    public static TheoryData<Type> Structs => new(InteropTypes().Where(type => type is { IsValueType: true, IsEnum: false }));

    public static TheoryData<string> Imports => new(ImportNames());

    [Theory]
    [MemberData(nameof(Structs))]
    public void Structs_have_the_size_and_offsets_that_c_gives_them(Type type)
    {
        Dictionary<string, long> dotnet = new() { [$"sizeof {type.Name}"] = SizeOf(type) };
        // A handle is a pointer in C: it has no members there.
        if (!IsHandle(type))
        {
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.Public))
            {
                dotnet[$"offsetof {type.Name}.{field.Name}"] = Marshal.OffsetOf(type, field.Name);
                dotnet[$"sizeof {type.Name}.{field.Name}"] = SizeOf(field.FieldType);
            }
        }

        Dictionary<string, long> c = C
            .Where(fact => fact.Key == $"sizeof {type.Name}" || fact.Key.Contains($" {type.Name}.", StringComparison.Ordinal))
            .ToDictionary(fact => fact.Key, fact => fact.Value);
        dotnet.Should().BeEquivalentTo(c);
    }

    [Fact]
    public void Every_struct_that_c_knows_is_declared() =>
        C.Keys.Where(fact => fact.StartsWith("sizeof ", StringComparison.Ordinal) && !fact.Contains('.', StringComparison.Ordinal))
            .Select(fact => fact["sizeof ".Length..])
            .Should().BeSubsetOf(InteropTypes().Select(type => type.Name));

    [Fact]
    public void Return_codes_have_their_values()
    {
        Dictionary<string, long> expected = C
            .Where(fact => fact.Key.StartsWith("NVML_ERROR_", StringComparison.Ordinal) || fact.Key == "NVML_SUCCESS")
            .ToDictionary(fact => fact.Key, fact => fact.Value);
        Enum.GetValues<nvmlReturn_t>().ToDictionary(code => code.ToString(), code => (long)code).Should().BeEquivalentTo(expected);
    }

    [Fact]
    public void The_public_return_codes_are_those_of_nvml() =>
        Enum.GetValues<NvmlReturnCode>().ToDictionary(code => $"{code}".ToUpperInvariant(), code => (long)code)
            .Should().BeEquivalentTo(Enum.GetValues<nvmlReturn_t>().ToDictionary(
                code => code.ToString().Replace("NVML_ERROR_", "", StringComparison.Ordinal).Replace("NVML_", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal),
                code => (long)code));

    [Fact]
    public void Constants_have_their_values()
    {
        Dictionary<string, long> dotnet = typeof(LibNvml).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => field.IsLiteral && field.Name.StartsWith("NVML_", StringComparison.Ordinal))
            .ToDictionary(field => field.Name, field => Convert.ToInt64(field.GetRawConstantValue(), CultureInfo.InvariantCulture));
        dotnet.Should().NotBeEmpty();
        dotnet.Should().BeSubsetOf(C);
    }

    [Fact]
    public void Versioned_structs_announce_themselves_with_their_size_and_version()
    {
        nvmlGpuInstanceProfileInfo_v2_t.Version.Should().Be(0x02000098);
        nvmlGpuInstanceProfileInfo_v3_t.Version.Should().Be(0x03000098);
        foreach (Type type in InteropTypes())
        {
            if (type.GetProperty("Version")?.GetValue(null) is uint version)
                version.Should().Be((uint)C[$"version {type.Name}"], "of {0}", type.Name);
        }
    }

    [Theory]
    [MemberData(nameof(Imports))]
    public void Imports_bind_to_the_symbols_of_their_names(string function)
    {
        using SimulatedGpu machine = SimulatedGpu.Start(migEnabled: false);
        NativeLibrary.TryGetExport(NativeLibrary.Load(machine.Simulator.LibraryPath), function, out _).Should().BeTrue();
        MethodInfo import = typeof(LibNvml).GetMethod(function)!;
        import.Invoking(Marshal.Prelink).Should().NotThrow();
    }

    [Fact]
    public void Every_import_is_either_required_or_known_to_be_younger_than_the_oldest_driver() =>
        NvmlLibrary.RequiredFunctions.Concat(NvmlLibrary.YoungerFunctions).Should().BeEquivalentTo(ImportNames());

    private static IEnumerable<string> ImportNames() =>
        typeof(LibNvml).GetMethods(BindingFlags.Public | BindingFlags.Static).Select(m => m.Name).Where(n => n.StartsWith("nvml", StringComparison.Ordinal));

    private static IEnumerable<Type> InteropTypes() =>
        typeof(LibNvml).Assembly.GetTypes().Where(type => type.Name.StartsWith("nvml", StringComparison.Ordinal) && !type.IsNested);

    private static bool IsHandle(Type type) => type == typeof(nvmlDevice_t) || type == typeof(nvmlGpuInstance_t) || type == typeof(nvmlComputeInstance_t);

    private static int SizeOf(Type type) =>
        (int)typeof(Unsafe).GetMethod(nameof(Unsafe.SizeOf))!.MakeGenericMethod(type).Invoke(null, null)!;

    private static unsafe Dictionary<string, long> ReadFacts()
    {
        uint count;
        nvmlStubAbiFact_t* facts = StubControls.nvmlStubGetAbi(&count);
        Dictionary<string, long> read = [];
        for (uint i = 0; i < count; i++)
            read.Add(Marshal.PtrToStringUTF8((nint)facts[i].name)!, facts[i].value);
        return read;
    }
}
