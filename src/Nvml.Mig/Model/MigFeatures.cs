namespace Nvml.Mig;

/// <summary>The abilities of a GPU and its driver about MIG; each null where the driver does not report it, as on older GPUs.</summary>
/// <param name="ChangesModeWithoutReset">
/// Whether MIG mode changes at once, without a reset of the GPU (NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED).
/// </param>
/// <param name="AnswersInAnyMode">
/// Whether profiles can be asked for in either MIG mode (NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE).
/// </param>
public readonly record struct MigFeatures(bool? ChangesModeWithoutReset, bool? AnswersInAnyMode);
