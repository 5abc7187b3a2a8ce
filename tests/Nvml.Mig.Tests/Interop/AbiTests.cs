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
                code =>
                    code.ToString().Replace("NVML_ERROR_", "", StringComparison.Ordinal).Replace("NVML_", "", StringComparison.Ordinal)
                        .Replace("_", "", StringComparison.Ordinal),
                code => (long)code));

    public static TheoryData<Type, string> Enums => new()
    {
        { typeof(NvmlInitOptions), "NVML_INIT_FLAG_" },
        { typeof(GpuArchitecture), "NVML_DEVICE_ARCH_" },
        { typeof(GpuBrand), "NVML_BRAND_" },
        { typeof(ComputeMode), "NVML_COMPUTEMODE_" },
        { typeof(GpuVirtualizationMode), "NVML_GPU_VIRTUALIZATION_MODE_" },
        { typeof(EccErrorType), "NVML_MEMORY_ERROR_TYPE_" },
        { typeof(EccMemoryLocation), "NVML_MEMORY_LOCATION_" },
        { typeof(FabricState), "NVML_GPU_FABRIC_STATE_" },
    };

    [Theory]
    [MemberData(nameof(Enums))]
    public void Public_enumerations_have_the_names_and_values_of_nvml(Type type, string prefix)
    {
        Dictionary<string, long> expected = C
            .Where(fact => fact.Key.StartsWith(prefix, StringComparison.Ordinal))
            .ToDictionary(fact => fact.Key[prefix.Length..].Replace("_", "", StringComparison.Ordinal), fact => fact.Value);
        expected.Remove("FORCEINIT"); // the header calls it internal
        Dictionary<string, long> actual = Enum.GetValuesAsUnderlyingType(type).Cast<object>().ToDictionary(
            value => Enum.GetName(type, value)!.ToUpperInvariant(), value => Convert.ToInt64(value, CultureInfo.InvariantCulture));
        if (!expected.ContainsValue(0))
            actual.Remove("NONE"); // .NET wants a zero
        actual.Should().BeEquivalentTo(expected);
    }

    [Theory]
    [InlineData(typeof(GpuEventKinds), "nvmlEvent", GpuEventKinds.GpuLost)]
    [InlineData(typeof(GpmMetric), "NVML_GPM_METRIC_", null)]
    [InlineData(typeof(GpuInstanceCapabilities), "NVML_GPU_INSTANCE_PROFILE_CAPS_", null)]
    [InlineData(typeof(ComputeInstanceCapabilities), "NVML_COMPUTE_INSTANCE_PROFILE_CAPS_", null)]
    public void Public_enumerations_have_the_values_of_nvml(Type type, string prefix, object? ours) =>
        Enum.GetValuesAsUnderlyingType(type).Cast<object>()
            .Where(value => ours is null || !Enum.ToObject(type, value).Equals(ours))
            .Select(value => Convert.ToInt64(value, CultureInfo.InvariantCulture))
            .Where(value => value != 0)
            .Should().BeEquivalentTo(C
                .Where(fact => fact.Key.StartsWith(prefix, StringComparison.Ordinal) && fact.Key != "NVML_GPM_METRIC_MAX")
                .Select(fact => fact.Value));

    [Fact]
    public void Ecc_counters_have_their_values() =>
        (C["NVML_VOLATILE_ECC"], C["NVML_AGGREGATE_ECC"]).Should().Be(((long)EccCounterType.Volatile, (long)EccCounterType.Aggregate));

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
    public void Versioned_structs_carry_their_size_and_version()
    {
        nvmlGpuInstanceProfileInfo_v3_t.Version.Should().Be(0x03000098);
        foreach (Type type in InteropTypes())
        {
            if (type.GetField("Version")?.GetRawConstantValue() is int version)
                version.Should().Be((int)C[$"version {type.Name}"], "of {0}", type.Name);
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
    public void Every_import_is_marked_required_or_optional()
    {
        NvmlLibrary.Functions.Keys.Should().BeEquivalentTo(ImportNames());
        typeof(LibNvml).GetMethods()
            .Where(m => m.IsDefined(typeof(RequiredFunctionAttribute)) && m.IsDefined(typeof(OptionalFunctionAttribute)))
            .Should().BeEmpty();
    }

    [Fact]
    public void The_oldest_driver_has_all_required_functions()
    {
        string[] exported = File.ReadAllLines(Repository.File("native-stubs/exports-470.map"));
        NvmlLibrary.Functions.Where(f => f.Value).Select(f => f.Key)
            .Should().BeSubsetOf(exported.Select(line => line.Trim().TrimEnd(';')));
    }

    [Fact]
    public void Functions_named_in_messages_are_imports() =>
        typeof(NvmlFunction).GetFields().Select(field => (string)field.GetRawConstantValue()!).Should().BeSubsetOf(ImportNames());

    [Theory]
    [InlineData(NvmlReturnCode.Success, "NVML_SUCCESS")]
    [InlineData(NvmlReturnCode.LibRmVersionMismatch, "NVML_ERROR_LIB_RM_VERSION_MISMATCH")]
    [InlineData((NvmlReturnCode)77, "77")]
    public void Codes_have_nvmls_symbols(NvmlReturnCode code, string symbol) => code.ToSymbol().Should().Be(symbol);

    [Fact]
    public void Symbols_are_those_of_the_header() =>
        Enum.GetValues<NvmlReturnCode>().Select(code => code.ToSymbol())
            .Should().Equal(Enum.GetValues<nvmlReturn_t>().Select(code => code.ToString()));

    private static IEnumerable<string> ImportNames() =>
        typeof(LibNvml).GetMethods(BindingFlags.Public | BindingFlags.Static).Select(m => m.Name)
            .Where(n => n.StartsWith("nvml", StringComparison.Ordinal));

    private static IEnumerable<Type> InteropTypes() =>
        typeof(LibNvml).Assembly.GetTypes().Where(type => type.Name.StartsWith("nvml", StringComparison.Ordinal) && !type.IsNested);

    /// <summary>A handle is a pointer and nothing else.</summary>
    private static bool IsHandle(Type type) => type.GetFields(BindingFlags.Instance | BindingFlags.Public) is [{ Name: "Value" }];

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
