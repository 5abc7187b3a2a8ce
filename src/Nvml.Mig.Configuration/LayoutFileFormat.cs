namespace Nvml.Mig.Configuration;

/// <summary>The formats of layout files. The version in a file tells its format: see <see cref="LayoutFile"/>.</summary>
public enum LayoutFileFormat
{
    /// <summary>The format v1 of NVIDIA's mig-parted: numbers of MIG devices, without placements.</summary>
    MigParted,

    /// <summary>Our own: layouts as <see cref="LayoutSpec"/> text, with placements and compute instances.</summary>
    Nvmig,
}
