namespace Nvml.Mig.Host;

/// <summary>Whether this process may use one of MIG's capabilities.</summary>
public enum CapabilityAccess
{
    /// <summary>It may open the device node.</summary>
    Granted,

    /// <summary>It may not: the node's mode, or the device rules of a container, are against it.</summary>
    Denied,

    /// <summary>There is no such device node, or no driver behind it.</summary>
    Missing,
}
