namespace Nvml.Mig.Cli.Create;

/// <summary>A request on a GPU: the profile and, if a start was named, the placement.</summary>
internal sealed record PlacedRequest(GpuInstanceProfile Profile, Placement? Placement)
{
    public static PlacedRequest On(GpuDevice gpu, InstanceRequest request)
    {
        GpuInstanceProfile profile = gpu.GetGpuInstanceProfile(request.Profile);
        if (request.Start is not { } start)
            return new PlacedRequest(profile, null);
        IReadOnlyList<Placement> possible = gpu.GetPossiblePlacements(profile);
        int index = possible.ToList().FindIndex(p => p.Start == start);
        return index >= 0
            ? new PlacedRequest(profile, possible[index])
            : throw new NvmlException(
                NvmlReturnCode.InvalidArgument,
                "nvmlDeviceCreateGpuInstanceWithPlacement",
                $"{profile.Name} cannot start at memory slice {start} of {gpu} (NVML_ERROR_INVALID_ARGUMENT, 2). "
                + $"Possible starts: {string.Join(", ", possible.Select(p => p.Start))}.");
    }

    public override string ToString() => Placement is { } at ? $"{Profile.Name} at {at}" : Profile.Name;
}
