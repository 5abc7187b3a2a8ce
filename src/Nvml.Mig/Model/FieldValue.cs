using System.Globalization;
using Nvml.Mig.Interop;

namespace Nvml.Mig;

/// <summary>The value of one of NVML's numbered fields (NVML_FI_...), or why there is none.</summary>
public sealed record FieldValue
{
    /// <summary>What the type is set to before the driver is asked.</summary>
    internal const uint NoType = uint.MaxValue;

    private readonly Int128 _integer;
    private readonly double? _fraction;

    internal FieldValue(nvmlFieldValue_t native)
    {
        FieldId = (int)native.fieldId;
        Code = (NvmlReturnCode)native.nvmlReturn;
        // Measured: the driver leaves the rest as it was where it has no value.
        if (Code != NvmlReturnCode.Success)
            return;
        switch (native.valueType)
        {
            case LibNvml.NVML_VALUE_TYPE_DOUBLE: _fraction = native.value.dVal; break;
            case LibNvml.NVML_VALUE_TYPE_UNSIGNED_INT: _integer = native.value.uiVal; break;
            case LibNvml.NVML_VALUE_TYPE_UNSIGNED_LONG: _integer = native.value.ulVal; break;
            case LibNvml.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: _integer = native.value.ullVal; break;
            case LibNvml.NVML_VALUE_TYPE_SIGNED_LONG_LONG: _integer = native.value.sllVal; break;
            case LibNvml.NVML_VALUE_TYPE_SIGNED_INT: _integer = native.value.siVal; break;
            case LibNvml.NVML_VALUE_TYPE_UNSIGNED_SHORT: _integer = native.value.usVal; break;
            default: Code = NvmlReturnCode.NoData; break; // None was written, or one of a type of a newer driver.
        }

        if (Code == NvmlReturnCode.Success)
            Timestamp = DateTimeOffset.UnixEpoch.AddMicroseconds(native.timestamp);
    }

    /// <summary>The field, NVML's NVML_FI_...</summary>
    public int FieldId { get; }

    /// <summary>
    /// Whether there is a value: <see cref="NvmlReturnCode.NotSupported"/> if the GPU has none,
    /// <see cref="NvmlReturnCode.InvalidArgument"/> if the driver does not know the field, <see cref="NvmlReturnCode.NoData"/> if it
    /// knows it and gives none.
    /// </summary>
    public NvmlReturnCode Code { get; }

    /// <summary>When the driver took the value; null if there is none.</summary>
    public DateTimeOffset? Timestamp { get; }

    /// <summary>The value as a whole number.</summary>
    /// <exception cref="InvalidOperationException">There is no value, or it is a fraction.</exception>
    /// <exception cref="OverflowException">It is larger than 2^63 - 1.</exception>
    public long ToInt64()
    {
        ThrowIfNone();
        return _fraction is null ? checked((long)_integer) : throw new InvalidOperationException($"Field {FieldId} is a fraction: see {nameof(ToDouble)}.");
    }

    /// <summary>The value, whole or not.</summary>
    /// <exception cref="InvalidOperationException">There is no value.</exception>
    public double ToDouble()
    {
        ThrowIfNone();
        return _fraction ?? (double)_integer;
    }

    /// <summary><c>184 = 1</c>, or <c>150: NotSupported</c>.</summary>
    public override string ToString() => Code == NvmlReturnCode.Success
        ? string.Create(CultureInfo.InvariantCulture, $"{FieldId} = {ToDouble()}")
        : string.Create(CultureInfo.InvariantCulture, $"{FieldId}: {Code}");

    private void ThrowIfNone()
    {
        if (Code != NvmlReturnCode.Success)
            throw new InvalidOperationException($"Field {FieldId} has no value: {Code} ({(int)Code}).");
    }
}
