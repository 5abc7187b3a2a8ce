using System.Globalization;
using System.Text;

namespace Nvml.Mig;

/// <summary>Return codes as NVIDIA writes them.</summary>
public static class NvmlReturnCodeExtensions
{
    /// <summary>The name in nvml.h, such as <c>NVML_ERROR_IN_USE</c>; the number of a code that this version does not know.</summary>
    /// <param name="code">The code.</param>
    public static string ToSymbol(this NvmlReturnCode code)
    {
        if (code == NvmlReturnCode.Success)
            return "NVML_SUCCESS";
        if (!Enum.IsDefined(code))
            return ((int)code).ToString(CultureInfo.InvariantCulture);
        StringBuilder symbol = new("NVML_ERROR");
        foreach (char letter in code.ToString())
        {
            if (char.IsAsciiLetterUpper(letter))
                symbol.Append('_');
            symbol.Append(char.ToUpperInvariant(letter));
        }

        return symbol.ToString();
    }
}
