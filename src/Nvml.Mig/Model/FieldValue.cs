using System.Globalization;

namespace Nvml.Mig;

/// <summary>The value of one of NVML's numbered fields (NVML_FI_...), or the reason why there is none.</summary>
public sealed record FieldValue
{
    private readonly Int128 _integer;
    private readonly double? _fraction;

    /// <summary>A field without a value.</summary>
    internal FieldValue(int fieldId, NvmlReturnCode code)
    {
        FieldId = fieldId;
        Code = code;
    }

    /// <summary>A field with a value: <paramref name="fraction"/>, or else <paramref name="integer"/>.</summary>
    internal FieldValue(int fieldId, DateTimeOffset timestamp, Int128 integer, double? fraction)
    {
        FieldId = fieldId;
        Timestamp = timestamp;
        _integer = integer;
        _fraction = fraction;
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
        return _fraction is null
            ? checked((long)_integer)
            : throw new InvalidOperationException($"Field {FieldId} is a fraction: see {nameof(ToDouble)}.");
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
