namespace Nvml.Mig;

/// <summary>The kind of mistake in what was given to the planner.</summary>
public enum PlanningError
{
    /// <summary>The text of a spec cannot be read.</summary>
    UnreadableSpec,

    /// <summary>The GPU has no such profile.</summary>
    UnknownProfile,

    /// <summary>Several profiles have that name: one must be chosen by id.</summary>
    AmbiguousProfile,

    /// <summary>There is no such instance.</summary>
    UnknownInstance,

    /// <summary>A number of instances is zero, negative, or more than any GPU can hold.</summary>
    InvalidCount,

    /// <summary>An instance that is to be kept is in the way.</summary>
    KeptInstance,

    /// <summary>Instances of the profile cannot be placed there.</summary>
    InvalidPlacement,

    /// <summary>Two instances want the same slices.</summary>
    Overlap,

    /// <summary>A state holds more of something than the GPU has.</summary>
    ImpossibleState,

    /// <summary>NVML's description of the GPU makes no sense, or is beyond the 32 units that the planner can divide.</summary>
    InvalidGeometry,
}

/// <summary>
/// The planner was given something that makes no sense, whatever room there is. The absence of a plan is no exception: see
/// the <c>PlanRefusal</c> of the planner.
/// </summary>
public sealed class PlanningException : Exception
{
    /// <summary>Creates an exception.</summary>
    /// <param name="error">The kind of mistake.</param>
    /// <param name="culprit">The place of the mistake: a part of the spec, a profile, an instance.</param>
    /// <param name="message">The whole message, which names the culprit.</param>
    public PlanningException(PlanningError error, string culprit, string message)
        : base(message)
    {
        Error = error;
        Culprit = culprit;
    }

    /// <summary>The kind of mistake.</summary>
    public PlanningError Error { get; }

    /// <summary>The place of the mistake, such as <c>3g.21gb</c> or <c>1g.5gb*0</c>.</summary>
    public string Culprit { get; }
}
