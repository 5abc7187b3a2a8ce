namespace Nvml.Mig.Leasing;

/// <summary>Kinds of <see cref="LeaseException"/>: callers act differently on them.</summary>
public enum LeaseError
{
    /// <summary>What was asked for makes no sense, or contradicts what is there.</summary>
    Invalid,

    /// <summary>It did not come within the time that was allowed.</summary>
    Timeout,

    /// <summary>It can never be granted on this machine or in this queue.</summary>
    Impossible,

    /// <summary>There is no such lease, queue, reservation or instance.</summary>
    NotFound,

    /// <summary>The lease has ended, or is another generation by now.</summary>
    Ended,

    /// <summary>The book of leases cannot be read or written.</summary>
    Store,

    /// <summary>Another process changes GPUs for longer than was waited for.</summary>
    Locked,

    /// <summary>Who asks may not do that.</summary>
    Forbidden,
}

/// <summary>The root of all errors of leasing.</summary>
public class LeaseException : Exception
{
    /// <summary>Says what is wrong.</summary>
    /// <param name="message">The message.</param>
    public LeaseException(string message)
        : base(message)
    {
    }

    /// <summary>Says what is wrong.</summary>
    /// <param name="error">The kind of error.</param>
    /// <param name="message">The message.</param>
    /// <param name="innerException">What it came of.</param>
    public LeaseException(LeaseError error, string message, Exception? innerException = null)
        : base(message, innerException) => Error = error;

    /// <summary>The kind of error.</summary>
    public LeaseError Error { get; }
}
