namespace Nvml.Mig.Interop;

/// <summary>Marks a function that all supported drivers have (R470 and newer). A library without it is refused when it is loaded.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RequiredFunctionAttribute : Attribute;
