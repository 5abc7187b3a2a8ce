namespace Nvml.Mig.Host;

/// <summary>The driver's file of MIG's device numbers is not of the form that is known.</summary>
public sealed class MigMinorsFormatException : FormatException
{
    internal MigMinorsFormatException(string file, int lineNumber, string problem)
        : base($"{file}, line {lineNumber}: {problem}.")
    {
        File = file;
        LineNumber = lineNumber;
    }

    /// <summary>The file, or what its text was called.</summary>
    public string File { get; }

    /// <summary>The line, from 1.</summary>
    public int LineNumber { get; }
}
