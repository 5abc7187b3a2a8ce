namespace Nvml.Mig.Configuration;

/// <summary>
/// A layout file cannot be read, does not fit the GPUs of this machine, or its format cannot express a layout. The message begins with
/// the place in the file, where there is one, and says what was expected.
/// </summary>
public sealed class LayoutFileException : Exception
{
    /// <summary>Creates an exception.</summary>
    /// <param name="location">The place in the file; null if no place is to blame.</param>
    /// <param name="message">The fault, and what was expected.</param>
    /// <param name="innerException">The cause.</param>
    public LayoutFileException(FileLocation? location, string message, Exception? innerException = null)
        : base(location is { } at ? $"{at}: {message}" : message, innerException)
    {
        Location = location;
    }

    /// <summary>The place in the file; null if no place is to blame.</summary>
    public FileLocation? Location { get; }
}
