namespace Nvml.Mig.Configuration;

/// <summary>
/// A layout file cannot be read, does not go with the GPUs of this machine, or cannot say what it is to say. The message begins with the
/// place in the file, where there is one, and says what was expected.
/// </summary>
public sealed class LayoutFileException : Exception
{
    /// <summary>Creates an exception.</summary>
    /// <param name="location">The place in the file; null if none is to blame.</param>
    /// <param name="message">What is wrong, and what was expected.</param>
    /// <param name="innerException">What it came from.</param>
    public LayoutFileException(FileLocation? location, string message, Exception? innerException = null)
        : base(location is { } at ? $"{at}: {message}" : message, innerException)
    {
        Location = location;
    }

    /// <summary>The place in the file; null if none is to blame.</summary>
    public FileLocation? Location { get; }
}
