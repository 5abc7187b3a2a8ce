namespace Nvml.Mig.Applying;

/// <summary>
/// The record of layouts cannot be had: another applier holds it, or its file cannot be read or written. Nothing was changed.
/// </summary>
/// <param name="message">The whole message.</param>
/// <param name="innerException">The cause.</param>
public sealed class JournalException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether another applier holds it; else the file is the trouble.</summary>
    public bool IsLocked { get; init; }
}
