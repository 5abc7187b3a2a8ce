using Nvml.Mig.Interop;
using Nvml.Mig.Native;

namespace Nvml.Mig.Tests.Devices;

public class FieldValueTests
{
    [Theory]
    [InlineData(1u, 0xFFFFFFFFul, 4294967295L)] // unsigned int
    [InlineData(2u, 5ul, 5L)] // unsigned long
    [InlineData(3u, 5ul, 5L)] // unsigned long long
    [InlineData(4u, 0xFFFFFFFFFFFFFFFFul, -1L)] // signed long long
    [InlineData(5u, 0xFFFFFFFFul, -1L)] // signed int
    [InlineData(6u, 0xAAAA0007ul, 7L)] // unsigned short
    public void Whole_numbers_of_all_types_are_read(uint type, ulong bits, long expected)
    {
        FieldValue value = Value(type, bits);

        value.ToInt64().Should().Be(expected);
        value.ToDouble().Should().Be(expected);
    }

    [Fact]
    public void A_fraction_is_no_whole_number()
    {
        FieldValue value = Value(0, BitConverter.DoubleToUInt64Bits(0.5));

        value.ToDouble().Should().Be(0.5);
        value.Invoking(v => v.ToInt64()).Should().Throw<InvalidOperationException>();
    }

    [Fact]
    public void A_number_that_is_too_large_is_not_cut() =>
        Value(3, ulong.MaxValue).Invoking(v => v.ToInt64()).Should().Throw<OverflowException>();

    [Theory]
    [InlineData(7u)]
    [InlineData(uint.MaxValue)]
    public void A_value_of_an_unknown_type_or_of_none_is_not_zero(uint type)
    {
        FieldValue value = Value(type, 0);

        value.Code.Should().Be(NvmlReturnCode.NoData);
        value.Invoking(v => v.ToInt64()).Should().Throw<InvalidOperationException>();
        value.Timestamp.Should().BeNull();
    }

    private static FieldValue Value(uint type, ulong bits) =>
        NativeGpu.ToFieldValue(new nvmlFieldValue_t { fieldId = 1, valueType = type, value = new nvmlValue_t { ullVal = bits } });
}
