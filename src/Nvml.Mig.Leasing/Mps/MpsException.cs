namespace Nvml.Mig.Leasing.Mps;

/// <summary>What is wrong with a daemon: callers act differently on them.</summary>
internal enum MpsProblem
{
    /// <summary>What was asked for makes no sense.</summary>
    Invalid,

    /// <summary>There is no <c>nvidia-cuda-mps-control</c>.</summary>
    NotInstalled,

    /// <summary>The daemon did not start.</summary>
    NotStarted,

    /// <summary>There is no daemon for the device.</summary>
    Absent,

    /// <summary>The daemon has died: programs that start now would run without limits.</summary>
    Dead,

    /// <summary>Another daemon than ours is in our folder.</summary>
    Foreign,

    /// <summary>The daemon or its server does not answer in time.</summary>
    Silent,

    /// <summary>The daemon says something else than what was set.</summary>
    NotSet,

    /// <summary>The server is in the state FAULT, or in another one that is not ACTIVE.</summary>
    Faulty,

    /// <summary>Clients run, or the device is another user's.</summary>
    InUse,
}

/// <summary>A daemon of MPS is not as it must be. The message says what to do.</summary>
internal sealed class MpsException(MpsProblem problem, string message, Exception? innerException = null)
    : LeaseException(
        problem switch
        {
            MpsProblem.NotInstalled => LeaseError.Impossible,
            MpsProblem.Silent => LeaseError.Timeout,
            MpsProblem.Absent => LeaseError.NotFound,
            MpsProblem.Dead => LeaseError.Ended,
            _ => LeaseError.Invalid,
        },
        message,
        innerException)
{
    public MpsProblem Problem { get; } = problem;
}
