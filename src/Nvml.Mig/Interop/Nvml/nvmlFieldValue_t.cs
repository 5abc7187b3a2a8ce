// Layout: nvml.h of NVML 13 on x86-64, 40 bytes; compared with the C compiler by AbiTests.
using System.Runtime.InteropServices;

namespace Nvml.Mig.Interop;

/// <summary>
/// A field and its value. valueType is a nvmlValueType_t; only fieldId and nvmlReturn mean anything if the latter is no success.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct nvmlFieldValue_t
{
    public uint fieldId;
    public uint scopeId;
    public long timestamp;
    public long latencyUsec;
    public uint valueType;
    public nvmlReturn_t nvmlReturn;
    public nvmlValue_t value;
}
