namespace Nvml.Mig;

/// <summary>Rows of a GPU's memory that were replaced by spare ones because of errors.</summary>
/// <param name="Correctable">Rows replaced because of correctable errors.</param>
/// <param name="Uncorrectable">Rows replaced because of uncorrectable errors.</param>
/// <param name="IsPending">Whether a row waits for the next GPU reset to be replaced.</param>
/// <param name="HasFailed">Whether a row could not be replaced: the GPU should be.</param>
public readonly record struct RemappedRows(int Correctable, int Uncorrectable, bool IsPending, bool HasFailed);
