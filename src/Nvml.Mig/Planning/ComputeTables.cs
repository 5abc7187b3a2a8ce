namespace Nvml.Mig.Planning;

/// <summary>The compute slices inside instances of one GPU instance profile.</summary>
internal sealed class ComputeTables
{
    private readonly GpuInstanceProfile _gpuInstance;

    public ComputeTables(ProfileGeometry gpuInstance)
    {
        _gpuInstance = gpuInstance.Profile;
        Profiles = [.. gpuInstance.ComputeProfiles!
            .OrderBy(p => p.Profile.SliceCount)
            .ThenBy(p => p.Profile.MultiprocessorCount)
            .ThenBy(p => p.Profile.Number)
            .ThenBy(p => p.Profile.Id)];
        Row = new Row([.. Profiles.Select(p => p.Placements)], $"a GPU instance {_gpuInstance}");
        ComputeInstanceProfile? whole = ProfileMatch.Whole(Profiles.Select(p => p.Profile));
        Default = Array.FindIndex(Profiles, p => ReferenceEquals(p.Profile, whole));
    }

    public ComputeProfileGeometry[] Profiles { get; }

    public Row Row { get; }

    /// <summary>The profile of the compute instance that takes the whole; -1 if there is none.</summary>
    public int Default { get; }

    public int IndexOf(ComputeInstanceProfile profile)
    {
        int index = Array.FindIndex(Profiles, p => ReferenceEquals(p.Profile, profile));
        if (index < 0)
            index = Array.FindIndex(Profiles, p => p.Profile == profile);
        return index >= 0
            ? index
            : throw new PlanningException(
                PlanningError.UnknownProfile,
                profile.Name,
                $"{profile.Name} (compute instance profile {profile.Id}) is not one that a GPU instance {_gpuInstance} offers.");
    }

    /// <summary>
    /// The profile that is meant by <c>1c</c>, <c>1c.3g.20gb</c> or an id. Of several with that many slices it is the plain one, with the
    /// lowest number: 1c in the 2g of an H100 is 0, and the one with more multiprocessors is asked for by its id, 7.
    /// </summary>
    public int IndexOf(string text) =>
        ProfileMatch.FindInside(_gpuInstance, Profiles.Select(p => p.Profile), text).MinBy(p => p.Number) is { } found
            ? IndexOf(found)
            : throw new PlanningException(
                PlanningError.UnknownProfile,
                text,
                $"A GPU instance {_gpuInstance} has no compute instance profile '{text}'. It has: "
                    + $"{string.Join(", ", Profiles.Select(p => $"{p.Profile.SliceCount}c ({p.Profile.Id})"))}.");
}
