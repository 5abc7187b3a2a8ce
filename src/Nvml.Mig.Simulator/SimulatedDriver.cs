namespace Nvml.Mig.Simulator;

/// <summary>
/// The branch of the simulated driver: it decides which profiles, field values and versions of structs there are. All branches have the
/// functions of 580; <c>libnvml-stub-470.so</c>, beside the library, is R470 with its own functions only.
/// </summary>
public enum SimulatedDriver
{
    /// <summary>R470: no profiles with twice the memory, no names of profiles.</summary>
    R470,

    /// <summary>R525.</summary>
    R525,

    /// <summary>R535.</summary>
    R535,

    /// <summary>R550.</summary>
    R550,

    /// <summary>R580, which was measured.</summary>
    R580,

    /// <summary>A driver to come, with a GPU <c>FUTURE</c> that has what nobody knows yet.</summary>
    Future,
}
