namespace Nvml.Mig.Native;

/// <summary>The end of a call that changes something.</summary>
/// <param name="Code">The code of the change, or, if that succeeded, of reading it back.</param>
/// <param name="Function">The function that returned the code.</param>
/// <param name="Took">The time of the change alone.</param>
internal readonly record struct NativeChange(NvmlReturnCode Code, string Function, TimeSpan Took)
{
    public bool Succeeded => Code == NvmlReturnCode.Success;

    /// <summary>The same, once its duration is recorded.</summary>
    public NativeChange Record(string operation)
    {
        NvmlTelemetry.RecordDuration(operation, Took, Succeeded ? null : Code.ToSymbol());
        return this;
    }
}
