using Microsoft.Extensions.Options;
using Nvml.Mig.Applying;
using Nvml.Mig.Leasing;

namespace Nvml.Mig.Hosting;

/// <summary>How a host keeps leases.</summary>
public sealed class LeaseHostingOptions
{
    /// <inheritdoc cref="LeaseOptions.JournalFolder"/>
    public string JournalFolder { get; set; } = ApplyOptions.DefaultJournalFolder;

    /// <inheritdoc cref="LeaseOptions.MpsFolder"/>
    public string MpsFolder { get; set; } = LeaseOptions.DefaultMpsFolder;

    /// <inheritdoc cref="LeaseOptions.LockTimeout"/>
    public TimeSpan LockTimeout { get; set; } = Timeout.InfiniteTimeSpan;

    /// <inheritdoc cref="LeaseOptions.ReadInterval"/>
    public TimeSpan ReadInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether instances with a fault are put aside (<see cref="LeaseManager.WatchFaultsAsync"/>). One process of a machine that does it
    /// will do.
    /// </summary>
    public bool WatchFaults { get; set; } = true;

    internal sealed class Validator : IValidateOptions<LeaseHostingOptions>
    {
        public ValidateOptionsResult Validate(string? name, LeaseHostingOptions options)
        {
            List<string> wrong = [];
            if (!Path.IsPathFullyQualified(options.JournalFolder))
                wrong.Add($"{nameof(JournalFolder)} is '{options.JournalFolder}': it must be an absolute path.");
            if (!Path.IsPathFullyQualified(options.MpsFolder))
                wrong.Add($"{nameof(MpsFolder)} is '{options.MpsFolder}': it must be an absolute path.");
            if (options.LockTimeout < TimeSpan.Zero && options.LockTimeout != Timeout.InfiniteTimeSpan)
                wrong.Add($"{nameof(LockTimeout)} is {options.LockTimeout}: it must not be negative.");
            if (options.ReadInterval <= TimeSpan.Zero)
                wrong.Add($"{nameof(ReadInterval)} is {options.ReadInterval}: it must be more than 0.");
            return wrong.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(wrong);
        }
    }
}
