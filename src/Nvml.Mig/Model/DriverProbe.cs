namespace Nvml.Mig;

/// <summary>
/// The installed driver in practice, as against its header. Created by <see cref="GpuDevice.ProbeDriver"/>.
/// </summary>
/// <param name="StructVersions">Versions of structs that were tried.</param>
/// <param name="Quirks">Where the driver was found to differ from its header. This library copes with all of them.</param>
public sealed record DriverProbe(IReadOnlyList<StructVersionSupport> StructVersions, IReadOnlyList<DriverQuirk> Quirks);

/// <summary>A version of one of NVML's structs, and what the driver says to it.</summary>
/// <param name="Struct">The struct's native name, such as <c>nvmlGpuInstanceProfileInfo</c>.</param>
/// <param name="Version">The version.</param>
/// <param name="Function">The function that was called with it.</param>
/// <param name="Code">The code that it returned; <see cref="NvmlReturnCode.FunctionNotFound"/> where the driver does not have it.</param>
public readonly record struct StructVersionSupport(string Struct, int Version, string Function, NvmlReturnCode Code)
{
    /// <summary>Whether the driver knows the version.</summary>
    public bool IsSupported => Code == NvmlReturnCode.Success;
}

/// <summary>Something that a driver does otherwise than its header says.</summary>
/// <param name="Name">A short name, always the same for the same quirk.</param>
/// <param name="Description">The behaviour of the driver.</param>
public sealed record DriverQuirk(string Name, string Description);
