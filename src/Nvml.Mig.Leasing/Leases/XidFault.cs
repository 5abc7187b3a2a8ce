namespace Nvml.Mig.Leasing.Leases;

/// <summary>An error with a number after which an instance is unfit for the next lease.</summary>
/// <param name="Xid">The number.</param>
/// <param name="Meaning">What it means.</param>
/// <param name="IsOfGpu">Whether all of the GPU is concerned, whatever instance it is reported for.</param>
internal sealed record XidFault(int Xid, string Meaning, bool IsOfGpu)
{
    /// <summary>
    /// From NVIDIA's catalogue of Xid errors (docs.nvidia.com/deploy/xid-errors). Errors that a program makes (13, 31, 43, 45) are not
    /// among them: they end that program and leave the instance as it was.
    /// </summary>
    private static readonly XidFault[] All =
    [
        new(48, "a memory error that could not be corrected", false),
        new(64, "a memory row or page could not be replaced", false),
        new(79, "the GPU has fallen off the bus", true),
        new(94, "a contained memory error", false),
        new(95, "an uncontained memory error", true),
        new(119, "the GPU's system processor does not answer", true),
        new(120, "the GPU's system processor has failed", true),
        new(140, "a memory error that could not be recovered", true),
    ];

    public static XidFault? Find(int xid) => Array.Find(All, fault => fault.Xid == xid);
}
