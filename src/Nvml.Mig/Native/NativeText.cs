using System.Runtime.InteropServices;
using System.Text;

namespace Nvml.Mig.Native;

/// <summary>Text as NVML has it: UTF-8, ended by a NUL.</summary>
internal static unsafe class NativeText
{
    /// <summary>The text in a buffer, which ends at the buffer's end if no NUL does it before.</summary>
    public static string Read(byte* text, int size)
    {
        ReadOnlySpan<byte> buffer = new(text, size);
        int end = buffer.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? buffer : buffer[..end]);
    }

    public static string ReadStatic(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    public static byte[] Write(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}
