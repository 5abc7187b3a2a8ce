namespace Nvml.Mig;

/// <summary>Architectures of GPUs (NVML_DEVICE_ARCH_...). Newer GPUs have others. MIG begins with Ampere.</summary>
public enum GpuArchitecture : uint
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Kepler.</summary>
    Kepler = 2,

    /// <summary>Maxwell.</summary>
    Maxwell = 3,

    /// <summary>Pascal.</summary>
    Pascal = 4,

    /// <summary>Volta.</summary>
    Volta = 5,

    /// <summary>Turing.</summary>
    Turing = 6,

    /// <summary>Ampere: A100, A30. MIG mode needs a GPU reset there, and survives a reboot.</summary>
    Ampere = 7,

    /// <summary>Ada Lovelace.</summary>
    Ada = 8,

    /// <summary>Hopper: H100, H200. MIG mode changes at once from here on, and is gone after a reboot.</summary>
    Hopper = 9,

    /// <summary>Blackwell: B200, RTX PRO 6000.</summary>
    Blackwell = 10,

    /// <summary>Rubin.</summary>
    Rubin = 13,

    /// <summary>The driver does not know it.</summary>
    Unknown = 0xFFFFFFFF,
}
