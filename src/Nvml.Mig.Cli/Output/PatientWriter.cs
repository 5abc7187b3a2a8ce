using System.Text;

namespace Nvml.Mig.Cli.Output;

/// <summary>
/// Standard error while a GPU is changed: a terminal that is gone, as after a lost connection, must not end the process in the middle.
/// </summary>
internal sealed class PatientWriter(TextWriter error) : TextWriter
{
    public override Encoding Encoding => error.Encoding;

    public override void Write(char value) => Write(value.ToString());

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(string? value)
    {
        try
        {
            error.Write(value);
        }
        catch (IOException)
        {
            // There is nobody left to tell.
        }
    }
}
