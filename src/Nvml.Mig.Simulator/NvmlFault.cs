using System.Globalization;

namespace Nvml.Mig.Simulator;

/// <summary>
/// Trouble that strikes a native call of this process: what to give to <see cref="NvmlSimulator.SetFaults"/>.
/// </summary>
/// <example>
/// <code>
/// // The third GPU instance cannot be created; then the process dies when it destroys one.
/// simulator.SetFaults(
///     NvmlFault.Return("nvmlDeviceCreateGpuInstance", NvmlReturnCode.InsufficientResources) with { Nth = 3 },
///     NvmlFault.Kill("nvmlGpuInstanceDestroy"));
/// </code>
/// </example>
public sealed record NvmlFault
{
    private readonly string _action;

    private NvmlFault(string function, string action)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(function);
        Function = function;
        _action = action;
    }

    /// <summary>The native function, such as <c>nvmlGpuInstanceDestroy</c>; <c>*</c> for any.</summary>
    public string Function { get; }

    /// <summary>Which call of it, from 1, counted since the faults were set; null for every one. The first by default.</summary>
    public int? Nth { get; init; } = 1;

    /// <summary>Only calls that are about this GPU, by index, count and are struck; null for all.</summary>
    public int? Gpu { get; init; }

    /// <summary>
    /// Strikes each such call at this rate, from 0 to 1, in place of the <see cref="Nth"/>; null for the Nth. With the same
    /// <see cref="Seed"/> the same calls are struck in every run.
    /// </summary>
    public double? Rate { get; init; }

    /// <summary>The seed of the random numbers of <see cref="Rate"/>.</summary>
    public uint Seed { get; init; }

    /// <summary>Whether it strikes when the call has done its work, instead of before.</summary>
    public bool AfterEffect { get; init; }

    /// <summary>The call returns a code, which may be one that no driver has.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    /// <param name="code">The code that it returns.</param>
    public static NvmlFault Return(string function, NvmlReturnCode code) =>
        new(function, ((int)code).ToString(CultureInfo.InvariantCulture));

    /// <summary>
    /// A change of MIG mode (<c>nvmlDeviceSetMigMode</c>) succeeds and gives this code as its activation status: the mode stays pending.
    /// </summary>
    /// <param name="code">The activation status, such as <see cref="NvmlReturnCode.Timeout"/>, which drivers gave at boot.</param>
    public static NvmlFault ActivationStatus(NvmlReturnCode code) =>
        new("nvmlDeviceSetMigMode", string.Create(CultureInfo.InvariantCulture, $"activation:{(int)code}"));

    /// <summary>The process dies by SIGKILL.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    public static NvmlFault Kill(string function) => new(function, "kill");

    /// <summary>The call takes longer.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    /// <param name="time">How much longer, in whole milliseconds: up to 49 days.</param>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer.</exception>
    public static NvmlFault Hang(string function, TimeSpan time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(time, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(time, TimeSpan.FromMilliseconds(uint.MaxValue));
        return new NvmlFault(function, string.Create(CultureInfo.InvariantCulture, $"hang:{(long)time.TotalMilliseconds}"));
    }

    /// <summary>The GPU that the call is about is lost, until <see cref="NvmlSimulator.ResetGpu"/> or a reboot.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    public static NvmlFault LoseGpu(string function) => new(function, "lose");

    /// <summary>Another process destroys a GPU instance, with all that is in it, behind the caller's back.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="gpuInstance">The id of the GPU instance.</param>
    public static NvmlFault DestroyGpuInstance(string function, int gpu, int gpuInstance) =>
        new(function, string.Create(CultureInfo.InvariantCulture, $"destroy:{gpu}/{gpuInstance}"));

    /// <summary>Another process destroys a compute instance behind the caller's back.</summary>
    /// <param name="function">The native function; <c>*</c> for any.</param>
    /// <param name="gpu">The index of the GPU.</param>
    /// <param name="gpuInstance">The id of the GPU instance.</param>
    /// <param name="computeInstance">The id of the compute instance.</param>
    public static NvmlFault DestroyComputeInstance(string function, int gpu, int gpuInstance, int computeInstance) =>
        new(function, string.Create(CultureInfo.InvariantCulture, $"destroy:{gpu}/{gpuInstance}/{computeInstance}"));

    /// <summary>The text that the environment variable <c>NVML_STUB_FAULTS</c> takes, for other processes.</summary>
    public override string ToString()
    {
        string calls = Rate is { } rate
            ? $"~{rate.ToString("0.##########", CultureInfo.InvariantCulture)}/{Seed.ToString(CultureInfo.InvariantCulture)}"
            : "";
        string nth = Rate is null && Nth is { } n ? string.Create(CultureInfo.InvariantCulture, $"#{n}") : "";
        string gpu = Gpu is { } index ? string.Create(CultureInfo.InvariantCulture, $"@{index}") : "";
        return $"{Function}{nth}{gpu}{calls}{(AfterEffect ? ":after" : "")}={_action}";
    }
}
