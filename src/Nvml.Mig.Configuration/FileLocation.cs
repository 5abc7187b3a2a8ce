using System.Globalization;

namespace Nvml.Mig.Configuration;

/// <summary>A place in a file.</summary>
/// <param name="File">The name under which the file was read.</param>
/// <param name="Line">The line, from 1.</param>
/// <param name="Column">The column, from 1.</param>
public readonly record struct FileLocation(string File, int Line, int Column)
{
    /// <summary><c>config.yaml:12:7</c></summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{File}:{Line}:{Column}");
}
