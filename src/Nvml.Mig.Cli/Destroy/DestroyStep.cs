using System.Globalization;

namespace Nvml.Mig.Cli.Destroy;

/// <summary>An instance to destroy: a GPU instance, or a compute instance in it.</summary>
internal sealed class DestroyStep(GpuInstance gpuInstance, ComputeInstance? computeInstance)
{
    /// <summary><c>2/0</c> or <c>2</c>.</summary>
    public string Name => computeInstance is null ? Number(gpuInstance.Id) : $"{Number(gpuInstance.Id)}/{Number(computeInstance.Id)}";

    /// <summary>The GPU instance, or that of the compute instance.</summary>
    public GpuInstance GpuInstance => gpuInstance;

    /// <summary>Whether it is gone; null if that cannot be read.</summary>
    public bool? IsGone { get; private set; } = false;

    /// <summary>Destroys it. Returns a note if the call failed and it is gone all the same: that is what was asked for.</summary>
    /// <exception cref="NvmlException">It is there, or nobody knows: see <see cref="IsGone"/>.</exception>
    public string? Destroy()
    {
        try
        {
            if (computeInstance is null)
                gpuInstance.Destroy();
            else
                computeInstance.Destroy();
            IsGone = true;
            return null;
        }
        catch (NvmlException e)
        {
            IsGone = TryExists() is { } exists ? !exists : null;
            if (IsGone == true)
                return e.Message;
            throw;
        }
    }

    public override string ToString() => computeInstance is null
        ? $"GPU instance {Number(gpuInstance.Id)}"
        : $"compute instance {Number(computeInstance.Id)} of GPU instance {Number(gpuInstance.Id)}";

    private static string Number(int id) => id.ToString(CultureInfo.InvariantCulture);

    private bool? TryExists()
    {
        try
        {
            return computeInstance?.Exists() ?? gpuInstance.Exists();
        }
        catch (NvmlException)
        {
            return null;
        }
    }
}
