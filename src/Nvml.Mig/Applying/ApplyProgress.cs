namespace Nvml.Mig.Applying;

/// <summary>The progress of an apply on a GPU.</summary>
/// <param name="Gpu">The GPU.</param>
/// <param name="Step">The next step; null when the layout is read back, and at the end.</param>
/// <param name="Number">The step's number, from 1; at the end as many as there are.</param>
/// <param name="Count">How many steps there are.</param>
/// <param name="IsRollback">Whether they lead back to what was recorded.</param>
/// <param name="Outcome">How it ended; null before the end.</param>
public sealed record ApplyProgress(GpuDevice Gpu, LayoutStep? Step, int Number, int Count, bool IsRollback, ApplyOutcome? Outcome = null);
