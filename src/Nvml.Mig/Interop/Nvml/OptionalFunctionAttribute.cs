namespace Nvml.Mig.Interop;

/// <summary>
/// Marks a function that a driver may lack: younger than the R470 branch, superseded, or a reading that a later driver may drop. Ask for it
/// before you call it.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OptionalFunctionAttribute : Attribute;
