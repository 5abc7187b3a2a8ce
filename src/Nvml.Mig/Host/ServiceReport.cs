namespace Nvml.Mig.Host;

/// <summary>An attempt of <see cref="GpuServices"/>.</summary>
public enum ServiceAction
{
    /// <summary>Find out which services run.</summary>
    Query,

    /// <summary>Run a hook before services are stopped.</summary>
    BeforeStop,

    /// <summary>Stop a service.</summary>
    Stop,

    /// <summary>Start a service again.</summary>
    Start,

    /// <summary>Run a hook after services were started again.</summary>
    AfterStart,

    /// <summary>Remove services that run again from the journal.</summary>
    Record,
}

/// <summary>An attempt that failed.</summary>
/// <param name="Action">The attempt.</param>
/// <param name="Subject">The unit, or the name of the hook; null for a query.</param>
/// <param name="ExitCode">The exit code of the command; null if it did not come to an end of its own, or was none.</param>
/// <param name="Message">The whole message, with the command and what it said.</param>
public sealed record ServiceFailure(ServiceAction Action, string? Subject, int? ExitCode, string Message)
{
    /// <summary>The message.</summary>
    public override string ToString() => Message;
}

/// <summary>The services of a machine after they were stopped or started again.</summary>
public sealed record ServiceReport
{
    /// <summary>The units that were stopped, in that order.</summary>
    public IReadOnlyList<string> Stopped { get; init; } = [];

    /// <summary>The units that were started again, in that order.</summary>
    public IReadOnlyList<string> Started { get; init; } = [];

    /// <summary>
    /// The units that ran before and do not now, as far as is known: they are in the record, and the next start tries them again.
    /// </summary>
    public IReadOnlyList<string> StillStopped { get; init; } = [];

    /// <summary>The attempts that failed.</summary>
    public IReadOnlyList<ServiceFailure> Failures { get; init; } = [];

    /// <summary>Whether everything could be done.</summary>
    public bool Succeeded => Failures.Count == 0;
}
