using Microsoft.Extensions.Options;

namespace Nvml.Mig.Hosting;

/// <summary>How a session is opened.</summary>
public sealed class NvmlMigOptions
{
    /// <summary>
    /// The absolute path of the NVML library; null: the one that the environment variable <c>NVML_LIBRARY_PATH</c> names, else the
    /// driver's.
    /// </summary>
    public string? LibraryPath { get; set; }

    internal sealed class Validator : IValidateOptions<NvmlMigOptions>
    {
        public ValidateOptionsResult Validate(string? name, NvmlMigOptions options) =>
            options.LibraryPath is { } path && !Path.IsPathFullyQualified(path)
                ? ValidateOptionsResult.Fail($"{nameof(LibraryPath)} is '{path}': it must be an absolute path.")
                : ValidateOptionsResult.Success;
    }
}
