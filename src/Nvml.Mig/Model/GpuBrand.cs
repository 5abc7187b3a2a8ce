namespace Nvml.Mig;

/// <summary>Lines of products (nvmlBrandType_t). Newer GPUs may have others.</summary>
public enum GpuBrand
{
    /// <summary>The driver does not know it.</summary>
    Unknown = 0,

    /// <summary>Quadro.</summary>
    Quadro = 1,

    /// <summary>Tesla.</summary>
    Tesla = 2,

    /// <summary>NVS.</summary>
    Nvs = 3,

    /// <summary>GRID, the older name of virtual GPUs.</summary>
    Grid = 4,

    /// <summary>GeForce.</summary>
    GeForce = 5,

    /// <summary>Titan.</summary>
    Titan = 6,

    /// <summary>NVIDIA Virtual Applications.</summary>
    NvidiaVapps = 7,

    /// <summary>NVIDIA Virtual PC.</summary>
    NvidiaVpc = 8,

    /// <summary>NVIDIA Virtual Compute Server.</summary>
    NvidiaVcs = 9,

    /// <summary>NVIDIA RTX Virtual Workstation.</summary>
    NvidiaVws = 10,

    /// <summary>NVIDIA Cloud Gaming.</summary>
    NvidiaCloudGaming = 11,

    /// <summary>Quadro RTX.</summary>
    QuadroRtx = 12,

    /// <summary>NVIDIA RTX.</summary>
    NvidiaRtx = 13,

    /// <summary>NVIDIA: the data centre GPUs of today, such as the H200.</summary>
    Nvidia = 14,

    /// <summary>GeForce RTX.</summary>
    GeForceRtx = 15,

    /// <summary>Titan RTX.</summary>
    TitanRtx = 16,
}
